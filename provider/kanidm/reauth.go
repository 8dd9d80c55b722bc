package kanidm

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/provider"
)

// again begins a step-up from the session that is kept of somebody. It says false
// where there is none, or none that proves anybody again: then only a whole sign-in can.
func (x *exchange) again(ctx context.Context) (bool, provider.Reply, error) {
	p := x.p
	s, found := p.kept.of(x.name)
	if !found {
		return false, provider.Reply{}, nil
	}
	defer s.bearer.Wipe()
	status, a, err := p.ask(ctx, call{method: http.MethodPost, path: "/v1/reauth", bearer: string(s.bearer.Reveal()), body: "token"})
	if err != nil {
		return false, provider.Reply{}, err
	}
	var now state
	if !mayNotGoOn(status, a.body) {
		if now, err = a.state(status); err != nil {
			return false, provider.Reply{}, err
		}
	}
	var mech string
	switch {
	case now.locked():
		x.offered = nil
		return true, denied(*now.Denied, a.at), nil
	case now.wants("totp"):
		mech = mechTOTP
	case now.wants("password") && !p.seenWithSecond(ctx, s.account):
		mech = mechPassword
	default:
		// What the server has not written down yet it cannot end yet: the whole sign-in
		// puts its own session in the place of that one, and ends it then.
		if bareName(a.body) != notWritten {
			p.end(ctx, p.kept.drop(s)...)
		}
		return false, provider.Reply{}, nil
	}
	x.steps = &steps{p: p, session: a.session, mechs: []string{mech}, again: &s}
	return true, provider.Reply{Outcome: provider.Continue, Offers: x.offered, ServerTime: a.at}, nil
}

// notWritten is said for some moments after a sign-in.
const notWritten = "invalidstate"

// mayNotGoOn tells whether an answer says that this session proves nobody again: it is
// over, or of a kind that cannot, or the server has no such call. Nothing is said of
// the account by it.
func mayNotGoOn(status int, body []byte) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	case http.StatusInternalServerError:
		return slices.Contains([]string{notWritten, "sessionmaynotreauth"}, bareName(body)) || noLongerPOSIX(body)
	}
	return false
}

// locked tells whether wrong answers have locked a credential for some seconds. A whole
// sign-in would come to the same, and the session is as good as before.
func (s state) locked() bool {
	return s.Denied != nil && saysLocked(*s.Denied)
}

// seenWithSecond tells whether an account was seen to need more than a password.
// What cannot be recalled counts as seen.
func (p *Provider) seenWithSecond(ctx context.Context, account uuid.UUID) bool {
	k, err := p.recall(ctx, memoryKey(account))
	return err != nil || k.Second != ""
}
