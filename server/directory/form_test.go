package directory

import (
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise release-token-form.
func TestACallerOfTheLastReleaseGetsTokensInItsForm(t *testing.T) {
	b := servertest.New(t)
	for range 2 { // the second time from what is kept
		if old := token(b, 0); old.History != uuid.Nil {
			t.Error("a machine of the last release is sent a field that it refuses")
		}
		if now := token(b, formsOfToday); now.History == uuid.Nil {
			t.Error("a machine that understands it is not told the history")
		}
	}
}
