package kanidm

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
)

// reauth asks the server to prove the account again that a kept session is of. No steps
// and no error: only a whole sign-in can say. locked is the server's word for why
// nothing can be proved at present.
func (p *Provider) reauth(ctx context.Context, s kept) (x *steps, locked string, at time.Time, err error) {
	status, a, err := p.ask(ctx, call{method: http.MethodPost, path: "/v1/reauth", bearer: string(s.bearer.Reveal()), body: "token"})
	if err != nil {
		return nil, "", time.Time{}, err
	}
	if mayNotGoOn(status, a.body) {
		// A session that is over needs no end; another one has it.
		p.forget(ctx, s, status != http.StatusUnauthorized)
		return nil, "", a.at, nil
	}
	now, err := a.state(status)
	if err != nil {
		return nil, "", time.Time{}, err
	}
	if now.Denied != nil && strings.Contains(strings.ToLower(*now.Denied), "locked") {
		return nil, printable([]byte(*now.Denied)), a.at, nil
	}
	mech := ""
	switch {
	case slices.Contains(now.Continue, "totp"):
		mech = mechTOTP
	case slices.Contains(now.Continue, "password") && !p.seenWithSecond(ctx, s):
		mech = mechPassword
	default:
		p.forget(ctx, s, true)
		return nil, "", a.at, nil
	}
	return &steps{p: p, session: a.session, mechs: []string{mech}, begun: &now, of: s}, "", a.at, nil
}

// mayNotGoOn tells whether an answer says that this session proves nobody again: it is
// over, or of a kind that cannot, or the server has no such call. Nothing is said of
// the account by it.
func mayNotGoOn(status int, body []byte) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	case http.StatusInternalServerError:
		return slices.Contains([]string{"invalidstate", "sessionmaynotreauth"}, errorName(body)) || noLongerPOSIX(body)
	}
	return false
}

// seenWithSecond tells whether the account was seen to need more than a password.
// What cannot be recalled counts as seen.
func (p *Provider) seenWithSecond(ctx context.Context, s kept) bool {
	k, err := p.recall(ctx, memoryKey(s.account))
	return err != nil || k.Second != ""
}

// forget drops a kept session, and tells the server where that is of use.
func (p *Provider) forget(ctx context.Context, s kept, tell bool) {
	dropped := p.kept.drop(s)
	if tell {
		p.end(ctx, dropped...)
		return
	}
	for _, s := range dropped {
		s.bearer.Wipe()
	}
}

// again begins a step-up where a session is kept; without an exchange and an error it
// takes a whole sign-in.
func (p *Provider) again(ctx context.Context, x *exchange) (bool, provider.Reply, error) {
	s, found := p.kept.of(x.name)
	if !found {
		return false, provider.Reply{}, nil
	}
	defer s.bearer.Wipe()
	begun, locked, at, err := p.reauth(ctx, s)
	switch {
	case err != nil:
		return false, provider.Reply{}, err
	case locked != "":
		x.offered = nil
		return true, provider.Reply{Message: refusal(locked), ServerTime: at}, nil
	case begun == nil:
		return false, provider.Reply{}, nil
	}
	x.steps = begun
	return true, provider.Reply{Outcome: provider.Continue, Offers: x.offered, ServerTime: at}, nil
}
