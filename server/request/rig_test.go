package request_test

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// rig is a realm with alice, bob, carol, erin and frank, who are active, and mallory, the
// account deploy, and the machines box, bastion, web1 and db1; bob, carol and erin are in
// the group leads. People ask at the box.
type rig struct {
	*servertest.Bench
	machines map[string]store.Machine
	calls    map[string]context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Bench: servertest.New(t), machines: map[string]store.Machine{}, calls: map[string]context.Context{}}
	r.machines["box"], r.calls["box"] = r.Box, r.Call()
	for _, name := range []string{"bastion", "web1", "db1"} {
		r.machines[name], r.calls[name] = r.Machine(identity.Name(name))
	}
	for _, name := range []string{"bob", "erin", "frank", "mallory", "deploy"} {
		r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: name}))
	}
	r.group("leads", "bob", "carol", "erin")
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{
		Name: "web1", Tags: &v1.Tags{Words: []string{"web"}},
		HostNames: &v1.Hosts{Hosts: []string{"web1.example.org", "www.example.org"}}, Addresses: &v1.Hosts{Hosts: []string{"192.0.2.1", "2001:db8::1"}},
	}))
	return r
}

func (r *rig) group(name string, members ...string) {
	r.T.Helper()
	r.Must(r.Admin.AddGroup(r.T.Context(), &v1.AddGroupRequest{Name: name}))
	for _, m := range members {
		r.Must(r.Admin.AddMember(r.T.Context(), &v1.MemberRequest{Group: name, Member: m}))
	}
}

// rule adds a rule, the last.
func (r *rig) rule(name, effect string, change ...func(*v1.RuleView)) {
	r.T.Helper()
	v := &v1.RuleView{Name: name, Effect: effect}
	for _, f := range change {
		f(v)
	}
	r.Must(r.Admin.AddRule(r.T.Context(), &v1.AddRuleRequest{Rule: v}))
}

func by(group string, count uint32) func(*v1.RuleView) {
	return func(v *v1.RuleView) { v.Approvers, v.Count = group, count }
}

// session is a token of somebody who has just proved a password at that machine.
func (r *rig) session(name, machine string) identity.SessionToken {
	return identity.SessionToken{
		Realm: r.Name, ID: uuid.New(), Account: r.Account(name).UUID, Machine: r.machines[machine].UUID, Methods: []identity.FactorKind{identity.Password},
		AuthenticatedAt: r.Now().Unix(), ExpiresAt: r.Now().Add(8 * time.Hour).Unix(),
	}
}

// there is somebody's token for a login at the box.
func (r *rig) there(name string) []byte { return r.Signed(r.session(name, "box")) }

// hops are hosts to go through, the target last.
func hops(hosts ...string) *v1.AskRequest_Ssh {
	ssh := &v1.SSHAsk{}
	for _, h := range hosts {
		ssh.Hops = append(ssh.Hops, &v1.SSHHop{Host: h})
	}
	return &v1.AskRequest_Ssh{Ssh: ssh}
}

// ask asks at the box, and returns what came of it.
func (r *rig) ask(name string, kind *v1.AskRequest_Ssh) *v1.RequestView {
	r.T.Helper()
	v, err := r.tryAsk(&v1.AskRequest{SessionToken: r.there(name), Kind: kind})
	r.Must(nil, err)
	return v
}

func (r *rig) tryAsk(req *v1.AskRequest) (*v1.RequestView, error) {
	if req.GetId() == "" {
		req.Id = uuid.NewString()
	}
	resp, err := r.Requests.Ask(r.Call(), req)
	return resp.GetRequest(), err
}

// decide decides as somebody who has proved a password for that.
func (r *rig) decide(name, id string, approve bool) (*v1.RequestView, error) {
	s := r.session(name, "box")
	s.Purpose = identity.PurposeOf(uuid.MustParse(id), approve)
	resp, err := r.Requests.Decide(r.Call(), &v1.DecideRequest{Id: id, Approve: approve, Reason: "seen", SessionToken: r.Signed(s)})
	return resp.GetRequest(), err
}

func (r *rig) approve(name, id string) *v1.RequestView {
	r.T.Helper()
	v, err := r.decide(name, id, true)
	r.Must(nil, err)
	return v
}

// use uses a grant, and tells for how long that counts.
func (r *rig) use(name, id string) (life time.Duration, err error) {
	_, err = r.Requests.Use(r.Call(), r.Box, id, r.there(name), func(_ *store.Tx, _ store.Request, _ *identity.SessionToken, l time.Duration) error {
		life = l
		return nil
	})
	return life, err
}

// get is how a request stands.
func (r *rig) get(id string) *v1.RequestView {
	r.T.Helper()
	resp, err := r.Requests.GetRequest(r.Call(), &v1.GetRequestRequest{Id: id})
	r.Must(nil, err)
	return resp.GetRequest()
}

// is ends the test where a request is in another state.
func (r *rig) is(v *v1.RequestView, state store.RequestState) *v1.RequestView {
	r.T.Helper()
	if v.GetState() != string(state) {
		r.T.Fatalf("%s, want %s: %v", v.GetState(), state, v)
	}
	return v
}

// refused ends the test where err is not of that code.
func (r *rig) refused(err error, code connect.Code) {
	r.T.Helper()
	if connect.CodeOf(err) != code {
		r.T.Fatalf("%v, want code %v", err, code)
	}
}

func (r *rig) later(d time.Duration) { r.Unix.Add(int64(d / time.Second)) }

// rows counts those of the audit log with that action.
func (r *rig) rows(action string) (n int) {
	r.T.Helper()
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		return tx.Audit(0, time.Time{}, 1_000_000, func(e store.Entry) error {
			if e.Action == action {
				n++
			}
			return nil
		})
	}))
	return n
}
