package auth

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// A password that is due lets in to have it changed, and to nothing else that is the
// server's to give:
//
//	the session proved a password that is due,
//	and the machine                             comes to
//	has it changed in the same login            an allow whose session token earned no group,
//	                                            ends in ten minutes and brings no code
//	does not say that it does (a release that   deny, with the reason
//	knows no due passwords)
//	is to make or take away a factor            deny, with the reason
//
// Who proved no password (a card alone) is asked for nothing.

// dueSessionLife is how long a session by a password that is due may take to change it.
const dueSessionLife = 10 * time.Minute

// What people are told whose password is due, in a line of a login screen.
const (
	dueElsewhere = "Your password must be changed: log in on another machine."
	dueFirst     = "Your password must be changed first. Run passwd."
)

// due tells whether the session proved a password that has to be changed.
func (f *facts) due(s *session) bool {
	p := identity.Factor{Kind: identity.Password, ChangeBy: f.password().ChangeBy}
	return slices.Contains(s.methods(), identity.Password) && p.Due(f.now)
}

// mustChange ends a session that may not go on with a password that is due. What was
// proved is used, as by every answer.
func (t *attempt) mustChange(ctx context.Context, r result) (answer, error) {
	if err := t.consume(ctx, t.s, r); err != nil {
		return t.outdated(ctx, t.s, err)
	}
	if t.s.enrol != "" || t.s.remove != "" {
		return t.deny(ctx, answer{message: dueFirst, reason: "the password is due"})
	}
	return t.deny(ctx, answer{message: dueElsewhere, reason: "the password is due, and the machine's release cannot ask for a new one: upgrade it"})
}
