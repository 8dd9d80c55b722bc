package main

import (
	"testing"

	"github.com/sallyport-auth/sallyport/cli/command/commandtest"
)

func TestTheManualPageHasEveryCommandAndOption(t *testing.T) {
	commandtest.Manual(t, table(), "../../docs/man/sallyport-server.8", "--json")
}
