package console_test

import (
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Every test is run on each database.
func TestMain(m *testing.M) { os.Exit(servertest.OnEach(m)) }
