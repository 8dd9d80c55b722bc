package application_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// change is something that ends what a job rests on, and, where there is such a thing, undoes it.
type change struct {
	cause      application.Cause
	end, again func()
}

// changes are all of them.
func (r *rig) changes(i instance) map[string]change {
	ctx := r.T.Context()
	must := func(_ any, err error) { r.T.Helper(); r.Must(nil, err) }
	return map[string]change{
		"the application is disabled": {
			application.Disabled,
			func() {
				must(r.Admin.SetApplicationState(ctx, &v1.SetApplicationStateRequest{Name: "notes", Disabled: true}))
			},
			func() { must(r.Admin.SetApplicationState(ctx, &v1.SetApplicationStateRequest{Name: "notes"})) },
		},
		"the account is disabled": {
			application.Account,
			func() { must(r.Admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: "alice", Disabled: true})) },
			func() { must(r.Admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: "alice"})) },
		},
		"she leaves the group": {
			application.Permission,
			func() { must(r.Admin.RemoveMember(ctx, &v1.MemberRequest{Group: "writers", Member: "alice"})) },
			func() { must(r.Admin.AddMember(ctx, &v1.MemberRequest{Group: "writers", Member: "alice"})) },
		},
		"the group may do something else": {application.Permission, func() { r.grant("create") }, func() { r.grant("read") }},
		"the group may do nothing": {
			application.Permission,
			func() { must(r.Admin.RevokeResource(ctx, &v1.GrantResourceRequest{Space: "notes", Group: "writers"})) },
			func() { r.grant("read") },
		},
		"the group has to be earned": {
			application.Permission,
			func() {
				earned, totp := true, []string{"totp"}
				must(r.Admin.SetGroup(ctx, &v1.SetGroupRequest{Name: "writers", Earned: &earned, Demands: &v1.Kinds{Kinds: totp}}))
			},
			func() {
				earned := false
				must(r.Admin.SetGroup(ctx, &v1.SetGroupRequest{Name: "writers", Earned: &earned, Demands: &v1.Kinds{}}))
			},
		},
		"the key is revoked": {
			application.KeyRevoked,
			func() { must(r.Admin.RevokePersonKey(ctx, &v1.FingerprintRequest{Fingerprint: i.person().Key})) }, nil,
		},
		"the instance is revoked": {
			application.Revoked,
			func() { must(r.Admin.RevokeInstance(ctx, &v1.FingerprintRequest{Fingerprint: i.self().Key})) }, nil,
		},
	}
}

// Promise application-job-yes.
func TestAJobIsAcceptedAsLongAsAllThatItRestsOnIsSo(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	_ = i.alice()
	self := i.self()
	read := func(what string, want application.Cause) {
		t.Helper()
		r.cause(what, self, r.job(i, func(_, _ *crafted) {}), want)
	}
	list := r.changes(i)
	for what, c := range list {
		if c.again == nil {
			continue
		}
		read("before "+what, "")
		c.end()
		read(what, c.cause)
		c.again()
		read("no more: "+what, "")
	}
	for _, what := range []string{"the key is revoked", "the instance is revoked"} { // for good
		list[what].end()
		read(what, list[what].cause)
	}
	on := false
	r.Must(r.Admin.SetApplications(t.Context(), &v1.SetApplicationsRequest{Enabled: &on}))
	if status := r.send(r.job(i, func(_, _ *crafted) {})); status != http.StatusNotFound {
		t.Errorf("switched off: status %d", status)
	}
}

// slow is a space of another service, which does nothing while it is down.
type slow struct {
	down bool
	done []application.Operation
}

// Do implements application.Resources.
func (s *slow) Do(_ context.Context, _ *store.Tx, o application.Operation) (application.Outcome, error) {
	if s.down {
		return application.Outcome{}, errors.New("down")
	}
	s.done = append(s.done, o)
	return application.Outcome{Type: "text", Value: []byte(`"done"`)}, nil
}

// behind puts another service behind the space.
func (r *rig) behind(s *slow) { r.serveWith(map[string]application.Resources{"notes": s}) }

// Promise application-job-yes.
func TestWhatEndsInTheMidstOfAJobKeepsItFromBeingDone(t *testing.T) {
	for what := range (&rig{Bench: &servertest.Bench{T: t}}).changes(instance{}) {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			i := r.announced()
			s := i.alice()
			service := &slow{down: true}
			r.behind(service)
			i.point(r)
			c := r.changes(i)[what]
			kept, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
			r.Must(nil, err)
			_, err = s.Fetch(t.Context(), kept)
			r.wants("before it is resolved", err, application.JobPending)
			c.end()
			service.down = false
			r.later(time.Minute)
			r.Must(nil, r.service.Tidy(t.Context()))
			if len(service.done) != 0 {
				t.Errorf("done: %+v", service.done)
			}
			if rows := strings.Join(r.audit("application.resolve"), "\n"); !strings.Contains(rows, "not done: "+string(c.cause)) {
				t.Errorf("the audit log has %q", rows)
			}
		})
	}
}

func TestAJobThatWasLeftBehindIsDoneOnceAfterARestart(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	r.behind(&slow{down: true})
	i.point(r)
	job, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
	r.Must(nil, err)
	folder := string(r.Dir)
	r.Must(nil, r.Close())
	r.Open(folder)
	up := &slow{}
	r.behind(up)
	i.point(r)
	r.later(time.Minute)
	for range 2 {
		r.Must(nil, r.service.Tidy(t.Context()))
	}
	got, err := s.Fetch(t.Context(), job)
	r.Must(nil, err)
	if len(up.done) != 1 || !got.Done || string(got.Value) != `"done"` || up.done[0].Account != "alice" {
		t.Errorf("%+v, %+v", up.done, got)
	}
}

// Promise application-job-yes.
func TestAnOrderThatCouldNotBeDoneInTimeIsNotDone(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	service := &slow{down: true}
	r.behind(service)
	i.point(r)
	job, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
	r.Must(nil, err)
	r.later(time.Minute)
	if err := r.service.Tidy(t.Context()); err == nil {
		t.Error("nobody hears that the service is down")
	}
	service.down = false
	r.later(10 * time.Minute)
	r.Must(nil, r.service.Tidy(t.Context()))
	got, err := s.Fetch(t.Context(), job)
	r.Must(nil, err)
	if len(service.done) != 0 || got.Done || got.Cause != string(application.Overdue) {
		t.Errorf("%+v, %+v", service.done, got)
	}
}

// Promise application-result-once.
func TestAResultIsGivenOnceToThePersonAtTheInstance(t *testing.T) {
	r := newRig(t)
	i, other := r.announced(), r.announced()
	s, elsewhere := i.alice(), other.alice()
	r.Must(r.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "writers", Member: "carol"}))
	name, err := i.Register(t.Context(), "", r.invite("carol"), []byte(passphrase))
	r.Must(nil, err)
	carol, err := i.Open(name, []byte(passphrase))
	r.Must(nil, err)
	ask := func() string {
		job, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
		r.Must(nil, err)
		return job
	}
	job := ask()
	for what, who := range map[string]*client.Session{"somebody else": carol, "she, elsewhere": elsewhere} {
		_, err := who.Fetch(t.Context(), job)
		r.wants(what, err, application.JobUnknown)
	}
	// The same key at the other instance, too.
	there := other.self()
	begin, finish := r.craft(there, message.Code), r.craft(there, message.PersonKey)
	r.cause("code", there, r.sealed(begin, message.CodeBody{Code: r.invite("alice")}), "")
	proof := r.craft(i.person(), message.PersonProof)
	proof.e.Via, proof.e.Request = &there.Party, finish.e.Request
	public, err := i.person().key.ArmoredPublic()
	r.Must(nil, err)
	r.cause("key", there, r.sealed(finish, message.PersonKeyBody{Registration: begin.e.Request, Key: public, Proof: r.signed(proof, message.EmptyBody{})}), "")
	outer, inner := r.craft(there, message.Result), r.craft(i.person(), message.Fetch)
	inner.e.Via, inner.e.Request = &there.Party, outer.e.Request
	r.cause("she, elsewhere, with the same key", there, r.sealed(outer, message.CarriedBody{Signed: r.signed(inner, message.FetchBody{Job: job})}), application.JobUnknown)
	_, err = s.Fetch(t.Context(), job)
	r.wants("she", err, "")
	_, err = s.Fetch(t.Context(), job)
	r.wants("once more", err, application.JobFetched)
	job = ask()
	r.later(5 * time.Minute)
	_, err = s.Fetch(t.Context(), job)
	r.wants("too late", err, application.JobExpired)
	r.Must(nil, r.service.Tidy(t.Context()))
	_, err = s.Fetch(t.Context(), job)
	r.wants("too late, and forgotten", err, application.JobExpired)
	_, err = s.Fetch(t.Context(), "00000000-0000-0000-0000-000000000000")
	r.wants("none", err, application.JobUnknown)
	list, err := r.Admin.ListJobs(t.Context(), &v1.ListRequest{})
	r.Must(nil, err)
	if len(list.GetJobs()) != 2 || list.GetJobs()[0].GetAccount() != "alice" {
		t.Errorf("on record: %v", list)
	}
}
