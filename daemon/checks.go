package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// question is one decision in the making.
type question struct {
	typed   string
	service string           // PAM's
	e       *directory.Entry // set by the check "known"
	// methods are what was proved; nil when that is not known in this phase.
	methods []identity.FactorKind
	// quiet asks the server nothing: for phases that only confirm.
	quiet bool
}

// ruling is what one check says. The zero value refuses.
type ruling struct {
	code   identity.Code
	detail string
	mend   string
	tell   bool // detail and mend may be shown to who is at the door
	// cause and places are the row of package trouble that says it to root, who can do
	// more about it than ask.
	cause  trouble.ID
	places []string
}

func fine(detail string) ruling { return ruling{code: identity.Granted, detail: detail} }

// text is what a person is shown.
func (r ruling) text() string {
	if r.mend == "" {
		return r.detail
	}
	return r.detail + " " + r.mend
}

// check is one row of the decision.
type check struct {
	name string
	rule func(*Gate, context.Context, *question) ruling
}

// The decision, in order. Decide and explain run the same rows.
//
//nolint:gochecknoglobals // constant tables
var (
	doorChecks  = []check{{"name", checkName}, {"local", checkLocal}, {"known", checkKnown}}
	freshChecks = []check{{"fresh", checkFresh}}
	rightChecks = []check{{"spelling", checkSpelling}, {"accepted", checkAccepted}, {"standing", checkStanding}, {"allowed", checkAllowed}, {"service", checkService}}
)

// accountChecks is the whole decision of the account phase.
func accountChecks() []check { return slices.Concat(doorChecks, freshChecks, rightChecks) }

// ask runs checks until one refuses, and returns its ruling, or the last.
func (d *Gate) ask(ctx context.Context, checks []check, q *question, note func(check, ruling)) ruling {
	var r ruling
	for _, c := range checks {
		r = c.rule(d, ctx, q)
		if note != nil {
			note(c, r)
		}
		if r.code != identity.Granted {
			return r
		}
	}
	return r
}

func checkName(d *Gate, _ context.Context, q *question) ruling {
	name, err := d.Canonical(q.typed)
	if err != nil {
		// A name that can never be ours may well be a local one.
		if local, lerr := d.Files().AccountNamed(q.typed); lerr == nil && local {
			return fine("not a name that the realm could have")
		}
		return ruling{code: identity.UnknownUser, detail: "This can never be an account's name.", mend: "Check the spelling."}
	}
	return fine(fmt.Sprintf("stands for %s", name))
}

func checkLocal(d *Gate, _ context.Context, q *question) ruling {
	name, _ := d.Canonical(q.typed) // "" is nobody's
	local, err := d.Files().AccountNamed(q.typed, string(name))
	if err != nil {
		return ruling{code: identity.Unavailable, detail: err.Error(), mend: "Make /etc/passwd and /etc/group readable for sallyportd."}
	}
	if local {
		return ruling{
			code: identity.NotOurs, detail: "A local account has this name, and Sallyport leaves it alone.",
			mend: "If the realm's account is meant, rename the local one.",
		}
	}
	return fine("no local account has this name")
}

func checkKnown(d *Gate, ctx context.Context, q *question) ruling {
	name, err := d.Canonical(q.typed)
	if err != nil {
		return ruling{code: identity.UnknownUser}
	}
	q.e, err = d.FindName(ctx, name, !q.quiet)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		if why := d.RefusedWhy(name); why != "" {
			return ruling{
				code: identity.UnknownUser, detail: "This machine refuses the account: " + why + ".", mend: refusedMend(why),
			}
		}
		return ruling{
			code: identity.UnknownUser, detail: "The realm has no such account.",
			mend:  "Check the spelling, or add the account on the server.",
			cause: trouble.NameUnknown, places: []string{"NAME", string(name)},
		}
	case err != nil:
		return ruling{
			code: identity.Unavailable, tell: true, detail: "The server of " + d.o.Realm + " cannot be reached, and this account was never seen here.",
			mend: "Try again when the network is back.",
		}
	}
	a := q.e.Account()
	local, err := d.Files().Now()
	if err != nil {
		return ruling{code: identity.Unavailable, detail: err.Error(), mend: "Make /etc/passwd and /etc/group readable for sallyportd."}
	}
	if local.IsSubordinate(a.UID, a.GID) {
		return ruling{
			code:   identity.NotOurs,
			detail: fmt.Sprintf("Its uid %d or gid %d lies in a range of /etc/subuid or /etc/subgid, whose owner could become it.", a.UID, a.GID),
			mend:   "Move that range, or the realm's ids.",
		}
	}
	if local.Hides(a.Name, a.UID, a.GID) {
		return ruling{
			code: identity.NotOurs, detail: fmt.Sprintf("A local account has its uid, %d, or a local group its gid, %d.", a.UID, a.GID),
			mend: "Change the local one's number.",
		}
	}
	known := fmt.Sprintf("uid %d, revision %d", a.UID, q.e.Revision())
	if left := d.LeftOutOf(a.Name); left != "" {
		known += "; left out here, or made safe: " + left
	}
	return fine(known)
}

// refusedMend is what to do about an account that is refused for that reason.
func refusedMend(why string) string {
	switch {
	case strings.Contains(why, directory.FirstSeen):
		return "Give it an id on the server that nobody had before. Or, once no file on this machine belongs to the other one, run: sallyport cache clear"
	case strings.Contains(why, identity.ErrID.Error()):
		return "Give it another id on the server: no setting of this machine can allow this one."
	case strings.Contains(why, directory.OutsideRange):
		return "Give it another id on the server; or widen [ids] allow in sallyportd.toml, then: sudo systemctl restart sallyportd"
	default:
		return "Correct it on the server."
	}
}

// checkFresh makes sure that what the right checks will judge is new enough.
func checkFresh(d *Gate, ctx context.Context, q *question) ruling {
	if d.Link().Now() == resolver.Online && d.Link().Watches() {
		return fine("connected; changes arrive as they happen")
	}
	if !d.Link().JustFailed() && !q.quiet {
		err := d.FetchName(ctx, q.e.Account().Name)
		now := d.Directory().WithUUID(q.e.Account().UUID)
		if now == nil {
			return ruling{
				code: identity.UnknownUser, detail: "The account is gone from the realm.",
				mend: "Ask your administrator if that is a surprise.",
			}
		}
		q.e = now
		if err == nil {
			return fine("fetched just now")
		}
		if errors.Is(err, provider.ErrNotFound) {
			return ruling{code: identity.UnknownUser, detail: "The account has another name now.", mend: "Use the new one."}
		}
	}
	a := d.ageOf(q.e)
	if !a.within {
		return ruling{code: identity.NotPermitted, tell: true, detail: a.refusal(), mend: "Connect to the network and try again."}
	}
	return fine(a.String())
}

// checkSpelling lets nobody in by another spelling of a name. Aliases find the account
// in lookups, but the host's own rules (Match User in sshd_config, pam_listfile,
// limits.conf) compare what was typed, and PAM_USER is never rewritten: "ADA" would be
// free of what stands there for "ada".
func checkSpelling(_ *Gate, _ context.Context, q *question) ruling {
	name := string(q.e.Account().Name)
	if q.typed != name {
		return ruling{
			code: identity.NotPermitted, tell: true, detail: "This spelling of the name finds the account and cannot log in.",
			mend: "Sign in as " + name + ".",
		}
	}
	return fine("the account's own name")
}

const (
	disownedWhy  = "The server was taken back to an earlier state, and this machine has not read its list of accounts since."
	disownedMend = "Try again when the server can be reached."
)

func checkAccepted(d *Gate, _ context.Context, q *question) ruling {
	if d.Directory().IsDisowned(q.e) {
		return ruling{code: identity.NotPermitted, tell: true, detail: disownedWhy, mend: disownedMend}
	}
	if q.e.Blocked() != "" {
		return ruling{
			code: identity.NotPermitted, tell: true,
			detail: "The account changed on the server in a way that this machine refuses: " + q.e.Blocked() + ".",
			mend:   "Ask your administrator.",
		}
	}
	return fine("the account keeps this machine's rules")
}

func checkStanding(d *Gate, _ context.Context, q *question) ruling {
	ask := "Ask your administrator."
	name := []string{"NAME", string(q.e.Account().Name)}
	switch q.e.StandingAt(d.Clock().Now()) {
	case identity.Good:
		return fine("active")
	case identity.StandingDisabled:
		return ruling{code: identity.AccountExpired, tell: true, detail: "This account is disabled.", mend: ask, cause: trouble.Disabled, places: name}
	case identity.NotYetValid:
		return ruling{
			code: identity.AccountExpired, tell: true,
			detail: "This account is valid from " + report.Day(q.e.ValidFrom()) + ".", mend: "Wait until then, or ask your administrator.",
			cause: trouble.NotYet, places: append(name, "DATE", report.Day(q.e.ValidFrom())),
		}
	case identity.Expired:
		return ruling{
			code: identity.AccountExpired, tell: true,
			detail: "This account expired on " + report.Day(q.e.ValidUntil()) + ".", mend: ask,
			cause: trouble.Expired, places: append(name, "DATE", report.Day(q.e.ValidUntil())),
		}
	default:
		return ruling{code: identity.AccountExpired, tell: true, detail: "This account's state is unknown.", mend: ask}
	}
}

// checkAllowed matches groups by uuid. A group that demands more than this
// authentication proved does not count.
func checkAllowed(d *Gate, _ context.Context, q *question) ruling {
	g := d.goalOf(q.e, policy.Service{})
	switch {
	case g.AllowsAll:
		return fine("every account of the realm may log in here")
	case len(g.Allowed) == 0:
		names := d.allowedNames()
		first := "GROUP"
		if len(names) > 0 {
			first = names[0]
		}
		return ruling{
			code: identity.NotPermitted, tell: true, detail: "This account may not log in to this machine: it is in none of the allowed groups.",
			mend:  "Ask your administrator to add it to one.",
			cause: trouble.NotInGroup, places: []string{"NAME", string(q.e.Account().Name), "GROUPS", strings.Join(names, ", "), "GROUP", first},
		}
	case q.methods != nil && !g.EnoughForGroups(q.methods):
		return ruling{
			code: identity.NotPermitted, tell: true, detail: "This account may log in to this machine only with a stronger proof than this one.",
			mend: d.missingFactor(g, "Use another factor, or ask your administrator to enrol one."),
		}
	}
	return fine("member of an allowed group")
}

// allowedNames are the groups that may log in here: their names where this machine knows
// them, and else what the configuration has.
func (d *Gate) allowedNames() []string {
	var names []string
	for _, id := range d.p.AllowGroups {
		name := id.String()
		if called, ok := d.Directory().CalledGroup(id); ok {
			name = string(called)
		}
		names = append(names, name)
	}
	return names
}

// age is how old our knowledge of an account is, and may become.
type age struct {
	checked time.Time
	old     time.Duration
	limit   time.Duration
	within  bool
	// disowned: the server has lost what is known, so it has no age.
	disowned bool
}

// ageOf judges by the trusted clock.
func (d *Gate) ageOf(e *directory.Entry) age {
	a := age{checked: d.CheckedAt(e), limit: min(time.Duration(e.OfflineFor())*time.Second, d.p.OfflineMax)}
	a.old = max(d.Clock().Now().Sub(a.checked), 0)
	a.disowned = d.Directory().IsDisowned(e)
	a.within = a.limit > 0 && a.old <= a.limit && !a.disowned
	return a
}

// String is what a person sees after logging in without a network.
func (a age) String() string {
	return fmt.Sprintf("Offline. Last checked %s ago; works for %s.", report.Friendly(a.old), report.FriendlyMore(a.limit-a.old))
}

func (a age) refusal() string {
	if a.disowned {
		return disownedWhy
	}
	if a.limit <= 0 {
		return "Offline, and this account may be used only while the server can be reached."
	}
	return fmt.Sprintf("Offline. Last checked %s ago, which is more than the %s that are allowed.", report.Friendly(a.old), report.Friendly(a.limit))
}
