package module_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/wire"
)

// While the daemon is being restarted, systemd keeps its socket: connections wait there.
// A job begins with the account phase, and nobody is there to try it again.
// Promise jobs-restart.
func TestAJobWaitsForADaemonThatIsBeingRestarted(t *testing.T) {
	r := newRig(t, the.prompt) // which waits 50 ms for the first word of an authentication
	l, err := wire.Listen(r.socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	want(t, r.run(nil, "alice", "auth"), absent, "auth=9")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := &pam.Server{Log: slog.New(slog.DiscardHandler), Authority: (&seen{}).then(identity.Verdict{Code: identity.Granted})}
	time.AfterFunc(300*time.Millisecond, func() { ended <- s.Serve(ctx, l) })
	want(t, r.run(nil, "alice", "acct", "setcred", "open"), "acct=0", "setcred=0", "open=0")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
