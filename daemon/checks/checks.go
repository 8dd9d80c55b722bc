package checks

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Accounts is what the checks need of whoever finds the accounts of a realm.
type Accounts interface {
	Directory() *directory.Directory
	Files() *directory.Files
	Clock() *resolver.Clock
	Link() *resolver.Link

	// Canonical says what a typed name stands for.
	Canonical(typed string) (identity.Name, error)
	// FindName finds an account in memory, and else at the server; see resolver.
	FindName(ctx context.Context, name identity.Name, urgent bool) (*directory.Entry, error)
	// FetchName asks the server for one account now.
	FetchName(ctx context.Context, name identity.Name) error
	// CheckedAt is when an entry was last known to be the server's.
	CheckedAt(e *directory.Entry) time.Time
	// RefusedWhy says why an account of that name was not taken, and LeftOutOf which parts
	// of one were not; "" where none was.
	RefusedWhy(name identity.Name) string
	LeftOutOf(name identity.Name) string
}

// Checker runs checks for one realm.
type Checker struct {
	known   Accounts
	p       *policy.Policy
	realm   string
	limited provider.Limited
}

// New makes one. Limited is what the provider cannot ask for; nil: it can ask for all.
func New(k Accounts, p *policy.Policy, realm string, limited provider.Limited) *Checker {
	return &Checker{known: k, p: p, realm: realm, limited: limited}
}

// Question is one decision in the making.
type Question struct {
	Typed   string
	Service string           // PAM's
	Entry   *directory.Entry // set by the check "known"
	// Methods are what was proved; nil when that is not known in this phase.
	Methods []identity.FactorKind
	// Quiet asks the server nothing: for phases that only confirm.
	Quiet bool
}

// Ruling is what one check says. The zero value refuses.
type Ruling struct {
	Code   identity.Code
	Detail string
	Mend   string
	Tell   bool // Detail and Mend may be shown to who is at the door
	// Cause and Places are the row of package trouble that says it to root, who can do
	// more about it than ask.
	Cause  trouble.ID
	Places []string
}

// Fine is a ruling that grants.
func Fine(detail string) Ruling { return Ruling{Code: identity.Granted, Detail: detail} }

// Text is what a person is shown.
func (r Ruling) Text() string {
	if r.Mend == "" {
		return r.Detail
	}
	return r.Detail + " " + r.Mend
}

// Check is one row of the decision.
type Check struct {
	Name string
	Rule func(*Checker, context.Context, *Question) Ruling
}

// The decision, in order. Decide and explain run the same rows.

// Pre are the checks before anything is asked: is there such an account, and is it ours?
func Pre() []Check { return []Check{{"name", checkName}, {"local", checkLocal}, {"known", checkKnown}} }

// Fresh makes sure that what is known is new enough.
func Fresh() []Check { return []Check{{"fresh", checkFresh}} }

// Vain are the checks of whether there is any use in a proof.
func Vain() []Check { return []Check{{"service", checkFiles}} }

// Access are the checks of what the account may do here.
func Access() []Check {
	return []Check{{"spelling", checkSpelling}, {"accepted", checkAccepted}, {"standing", checkStanding}, {"allowed", checkAllowed}, {"service", checkService}}
}

// Remembered are those that tell, without asking anybody, who may log in.
func Remembered() []Check {
	return []Check{{"local", checkLocal}, {"accepted", checkAccepted}, {"standing", checkStanding}, {"allowed", checkAllowed}}
}

// Account is the whole decision of the account phase.
func Account() []Check { return slices.Concat(Pre(), Fresh(), Access()) }

// Run runs checks until one refuses, and returns its ruling, or the last.
func (d *Checker) Run(ctx context.Context, checks []Check, q *Question, note func(Check, Ruling)) Ruling {
	var r Ruling
	for _, c := range checks {
		r = c.Rule(d, ctx, q)
		if note != nil {
			note(c, r)
		}
		if r.Code != identity.Granted {
			return r
		}
	}
	return r
}
