package cli

import (
	"context"
	"errors"
	"fmt"
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
	proof := own()
	if !p.now {
		r, err := send(proof)
		if err != nil || !r.NeedsProof {
			return r, err
		}
	}
	t, err := p.ask()
	if err != nil {
		return report.Requested{}, err
	}
	if p.byCard {
		proof.PIN, err = t.respond(pam.PromptEchoOff, "PIN of your card: ")
	} else {
		proof.Password, err = t.respond(pam.PromptEchoOff, "Password: ")
	}
	if err != nil {
		return report.Requested{}, err
	}
	r, err := send(proof)
	if err != nil || !r.NeedsProof {
		return r, err
	}
	if !r.NeedsCode {
		return r, errNotEnough
	}
	code, err := t.respond(pam.PromptEchoOn, "Code of your generator, or a backup code: ")
	if err != nil {
		return report.Requested{}, err
	}
	proof.Code = strings.TrimSpace(code)
	if r, err = send(proof); err == nil && r.NeedsProof {
		return r, errNotEnough
	}
	if err != nil {
		return r, fmt.Errorf("with a code: %w", err)
	}
	return r, nil
}
