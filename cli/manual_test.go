package cli

import (
	"testing"

	"github.com/sallyport-auth/sallyport/cli/command/commandtest"
)

func TestTheManualPageHasEveryCommandAndOption(t *testing.T) {
	commandtest.Manual(t, (&App{}).table(), "../docs/man/sallyport.1", "--json", "--config", "--socket")
}
