package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

func checkName(d *Checker, _ context.Context, q *Question) Ruling {
	name, err := d.known.Canonical(q.Typed)
	if err != nil {
		// A name that can never be ours may well be a local one.
		if local, lerr := d.known.Files().AccountNamed(q.Typed); lerr == nil && local {
			return Fine("not a name that the realm could have")
		}
		return Ruling{Code: identity.UnknownUser, Detail: "This can never be an account's name.", Mend: "Check the spelling."}
	}
	return Fine(fmt.Sprintf("stands for %s", name))
}

func checkLocal(d *Checker, _ context.Context, q *Question) Ruling {
	name, _ := d.known.Canonical(q.Typed) // "" is nobody's
	local, err := d.known.Files().AccountNamed(q.Typed, string(name))
	if err != nil {
		return Ruling{Code: identity.Unavailable, Detail: err.Error(), Mend: "Make /etc/passwd and /etc/group readable for sallyportd."}
	}
	if local {
		return Ruling{
			Code: identity.NotOurs, Detail: "A local account has this name, and Sallyport leaves it alone.",
			Mend: "If the realm's account is meant, rename the local one.",
		}
	}
	return Fine("no local account has this name")
}

func checkKnown(d *Checker, ctx context.Context, q *Question) Ruling {
	name, err := d.known.Canonical(q.Typed)
	if err != nil {
		return Ruling{Code: identity.UnknownUser}
	}
	q.Entry, err = d.known.FindName(ctx, name, !q.Quiet)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		if why := d.known.RefusedWhy(name); why != "" {
			return Ruling{
				Code: identity.UnknownUser, Detail: "This machine refuses the account: " + why + ".", Mend: refusedMend(why),
			}
		}
		return Ruling{
			Code: identity.UnknownUser, Detail: "The realm has no such account.",
			Mend:  "Check the spelling, or add the account on the server.",
			Cause: trouble.NameUnknown, Places: []string{"NAME", string(name)},
		}
	case err != nil:
		return Ruling{
			Code: identity.Unavailable, Tell: true, Detail: "The server of " + d.realm + " cannot be reached. This account was never seen here.",
			Mend: "Try again when the network is back.",
		}
	}
	a := q.Entry.Account()
	local, err := d.known.Files().Now()
	if err != nil {
		return Ruling{Code: identity.Unavailable, Detail: err.Error(), Mend: "Make /etc/passwd and /etc/group readable for sallyportd."}
	}
	if local.IsSubordinate(a.UID, a.GID) {
		return Ruling{
			Code:   identity.NotOurs,
			Detail: fmt.Sprintf("Its uid %d or gid %d lies in a range of /etc/subuid or /etc/subgid, whose owner could become it.", a.UID, a.GID),
			Mend:   "Move that range, or the realm's ids.",
		}
	}
	if local.Hides(a.Name, a.UID, a.GID) {
		return Ruling{
			Code: identity.NotOurs, Detail: fmt.Sprintf("A local account has its uid, %d, or a local group its gid, %d.", a.UID, a.GID),
			Mend: "Change the local one's number.",
		}
	}
	known := fmt.Sprintf("uid %d, revision %d", a.UID, q.Entry.Revision())
	if left := d.known.LeftOutOf(a.Name); left != "" {
		known += "; left out here, or made safe: " + left
	}
	return Fine(known)
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
func checkFresh(d *Checker, ctx context.Context, q *Question) Ruling {
	if d.known.Link().Now() == resolver.Online && d.known.Link().Watches() {
		return Fine("connected; changes arrive as they happen")
	}
	if !d.known.Link().JustFailed() && !q.Quiet {
		err := d.known.FetchName(ctx, q.Entry.Account().Name)
		now := d.known.Directory().WithUUID(q.Entry.Account().UUID)
		if now == nil {
			return Ruling{
				Code: identity.UnknownUser, Detail: "The account is gone from the realm.",
				Mend: "Ask your administrator if that is a surprise.",
			}
		}
		q.Entry = now
		if err == nil {
			return Fine("fetched just now")
		}
		if errors.Is(err, provider.ErrNotFound) {
			return Ruling{Code: identity.UnknownUser, Detail: "The account has another name now.", Mend: "Use the new one."}
		}
	}
	a := d.AgeOf(q.Entry)
	if !a.Within {
		return Ruling{Code: identity.NotPermitted, Tell: true, Detail: a.Refusal(), Mend: "Connect to the network and try again."}
	}
	return Fine(a.String())
}

// checkSpelling lets nobody in by another spelling of a name. Aliases find the account
// in lookups, but the host's own rules (Match User in sshd_config, pam_listfile,
// limits.conf) compare what was typed, and PAM_USER is never rewritten: "ADA" would be
// free of what stands there for "ada".
func checkSpelling(_ *Checker, _ context.Context, q *Question) Ruling {
	name := string(q.Entry.Account().Name)
	if q.Typed != name {
		return Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "This spelling of the name cannot log in.",
			Mend: "Sign in as " + name + ".",
		}
	}
	return Fine("the account's own name")
}

const (
	disownedWhy  = "The server was taken back to an earlier state. This machine waits for its list of accounts."
	disownedMend = "Try again when the server can be reached."
)

func checkAccepted(d *Checker, _ context.Context, q *Question) Ruling {
	if d.known.Directory().IsDisowned(q.Entry) {
		return Ruling{Code: identity.NotPermitted, Tell: true, Detail: disownedWhy, Mend: disownedMend}
	}
	if q.Entry.Blocked() != "" {
		return Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "This machine refuses the account's new state: " + q.Entry.Blocked() + ".",
			Mend:   "Ask your administrator.",
		}
	}
	return Fine("the account keeps this machine's rules")
}

func checkStanding(d *Checker, _ context.Context, q *Question) Ruling {
	ask := "Ask your administrator."
	name := []string{"NAME", string(q.Entry.Account().Name)}
	switch q.Entry.StandingAt(d.known.Clock().Now()) {
	case identity.Good:
		return Fine("active")
	case identity.StandingDisabled:
		return Ruling{Code: identity.AccountExpired, Tell: true, Detail: "This account is disabled.", Mend: ask, Cause: trouble.Disabled, Places: name}
	case identity.NotYetValid:
		return Ruling{
			Code: identity.AccountExpired, Tell: true,
			Detail: "This account is valid from " + report.Day(q.Entry.ValidFrom()) + ".", Mend: "Wait until then, or ask your administrator.",
			Cause: trouble.NotYet, Places: append(name, "DATE", report.Day(q.Entry.ValidFrom())),
		}
	case identity.Expired:
		return Ruling{
			Code: identity.AccountExpired, Tell: true,
			Detail: "This account expired on " + report.Day(q.Entry.ValidUntil()) + ".", Mend: ask,
			Cause: trouble.Expired, Places: append(name, "DATE", report.Day(q.Entry.ValidUntil())),
		}
	default:
		return Ruling{Code: identity.AccountExpired, Tell: true, Detail: "This account's state is unknown.", Mend: ask}
	}
}

// checkAllowed matches groups by uuid. A group that demands more than this
// authentication proved does not count.
func checkAllowed(d *Checker, _ context.Context, q *Question) Ruling {
	g := d.GoalOf(q.Entry, policy.Service{})
	switch {
	case g.AllowsAll:
		return Fine("every account of the realm may log in here")
	case len(g.Allowed) == 0:
		names := d.allowedNames()
		first := "GROUP"
		if len(names) > 0 {
			first = names[0]
		}
		return Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "This account is in none of the groups that may log in here.",
			Mend:  "Ask your administrator to add it to one.",
			Cause: trouble.NotInGroup, Places: []string{"NAME", string(q.Entry.Account().Name), "GROUPS", strings.Join(names, ", "), "GROUP", first},
		}
	case q.Methods != nil && !g.EnoughForGroups(q.Methods):
		return Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "This account may log in here only with a stronger proof.",
			Mend: d.missingFactor(g, "Use another factor, or ask your administrator to enrol one."),
		}
	}
	return Fine("member of an allowed group")
}

// allowedNames are the groups that may log in here: their names where this machine knows
// them, and else what the configuration has.
func (d *Checker) allowedNames() []string {
	var names []string
	for _, id := range d.p.AllowGroups {
		name := id.String()
		if called, ok := d.known.Directory().CalledGroup(id); ok {
			name = string(called)
		}
		names = append(names, name)
	}
	return names
}
