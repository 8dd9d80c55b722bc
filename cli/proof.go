package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seat"
)

// prover asks a person for a proof where a request needs one, and once at most.
type prover struct {
	ask    func() (*asker, error)
	byCard bool
	// now asks before the first try: what is done takes a proof in any case.
	now bool
}

// errNoTerminal says that nobody can be asked.
var errNoTerminal = errors.New("this takes your password, and there is no terminal to ask at: run it once at a terminal, for example \"sallyport requests\", and then again")

// errNotEnough says that more is asked for than was given.
var errNotEnough = errors.New("that proof does not suffice; nothing was done")

// terminalAsker asks at the terminal, whatever standard input is.
func terminalAsker() (*asker, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errNoTerminal
	}
	return newAsker(tty, tty), nil
}

// own is the session of who asks, for a card's reader.
func own() report.EnrolArgs {
	cgroup, _ := os.ReadFile("/proc/self/cgroup") // without one the daemon sees nobody at the reader
	return report.EnrolArgs{LogindSession: seat.SessionOf(string(cgroup))}
}

// requested sends a request, and where it needs a proof asks for one and sends it again.
func requested(ctx context.Context, in *invocation, p *prover, verb string, args func(report.ProofArgs) any) (report.Requested, error) {
	send := func(proof report.EnrolArgs) (report.Requested, error) {
		return control.One[report.Requested](ctx, in.daemon(), verb, args(report.ProofArgs{EnrolArgs: proof}))
	}
	if !p.now {
		r, err := send(own())
		if err != nil || !r.NeedsProof {
			return r, err
		}
	}
	t, err := p.ask()
	if err != nil {
		return report.Requested{}, err
	}
	r, err := prove(t, p.byCard, "PIN of your card: ", "Code of your generator, or a backup code: ", send, func(r report.Requested) bool { return r.NeedsCode })
	if err == nil && r.NeedsProof {
		err = errNotEnough
	}
	return r, err
}

// prove asks for a password, or for a card's PIN, and sends it; and where the answer is that
// a code is needed as well, for that.
func prove[T any](t *asker, byCard bool, pin, code string, send func(report.EnrolArgs) (T, error), needsCode func(T) bool) (r T, err error) {
	a := own()
	if byCard {
		a.PIN, err = t.respond(pam.PromptEchoOff, pin)
	} else {
		a.Password, err = t.respond(pam.PromptEchoOff, "Password: ")
	}
	if err != nil {
		return r, err
	}
	if r, err = send(a); err != nil || !needsCode(r) {
		return r, err
	}
	typed, err := t.respond(pam.PromptEchoOn, code)
	if err != nil {
		var none T
		return none, err
	}
	a.Code = strings.TrimSpace(typed)
	return send(a)
}
