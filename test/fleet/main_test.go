package fleet

import (
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.OnPostgres(m)) }

// two are two servers of one realm.
func two(t testing.TB) (a, b *servertest.Bench) {
	t.Helper()
	a = servertest.New(t)
	return a, a.Another()
}
