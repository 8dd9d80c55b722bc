package daemon

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestARightCodeMakesNoWrongPasswordRightOffline(t *testing.T) {
	h := away(t)
	h.expect(identity.Denied, "alice", "wrong"+h.code(0))
	h.later()
	h.expect(identity.Denied, "alice", "wrong", h.code(0))
	h.later()
	h.expect(identity.Granted, "alice", "secret"+h.code(0))
}
