package checks

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
)

// checkService is a row of the decision: what the service demands beyond a login.
// Where it is not known what was proved, only membership is judged.
func checkService(d *Checker, ctx context.Context, q *Question) Ruling {
	if r := checkFiles(d, ctx, q); r.Code != identity.Granted {
		return r
	}
	p, has := d.p.Services[q.Service]
	if !has || len(p.Require)+len(p.Factors) == 0 && p.Points == 0 {
		return Fine("the service demands no more than a login")
	}
	g := d.GoalOf(q.Entry, p)
	if slices.Contains(g.Missing, uuid.Nil) {
		return Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: q.Service + " is for people of another realm here.",
			Mend:   "Ask your administrator to set [service." + q.Service + "] require.",
		}
	}
	if len(g.Missing) > 0 {
		return Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: fmt.Sprintf("%s is for a group here that this account is not in.", q.Service),
			Mend:   "Ask your administrator to add it to the group " + g.Missing[0].String() + ".",
		}
	}
	if q.Methods != nil && !g.EnoughForService(q.Methods) {
		return Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: fmt.Sprintf("%s demands more than was proved: it takes %s.", q.Service, g.Describe()),
			Mend:   d.missingFactor(g, "Ask your administrator to enrol what is missing."),
		}
	}
	return Fine("what the service demands: " + g.Describe())
}

// checkFiles refuses programs that change a line of /etc/passwd, which nobody of a realm has.
func checkFiles(_ *Checker, _ context.Context, q *Question) Ruling {
	what, has := map[string]string{"chsh": "The login shell", "chfn": "The full name"}[q.Service]
	if !has {
		return Fine("it changes nothing of the account")
	}
	return Ruling{
		Code: identity.NotPermitted, Tell: true,
		Detail: fmt.Sprintf("%s of %s is kept on the server.", what, q.Entry.Account().Name),
		Mend:   "Ask your administrator to change it there.",
	}
}

// missingFactor says what to do about a demand that was not met: where the provider cannot
// ask for a kind that is named, its settings have to change.
func (d *Checker) missingFactor(g policy.Goal, otherwise string) string {
	if d.limited == nil {
		return otherwise
	}
	for _, one := range slices.Concat(g.Required, g.Allowed) {
		for _, k := range one.Kinds {
			if why := d.limited.Unprovable(k); why != "" {
				return why
			}
		}
	}
	return otherwise
}

// GoalOf is what the account must prove for a service, by the groups that it is in now.
func (d *Checker) GoalOf(e *directory.Entry, s policy.Service) policy.Goal {
	return d.p.Goal(e, d.known.Directory().GroupsOf(e), s)
}
