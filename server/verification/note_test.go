package verification_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// partner makes b.example a partner that has told of bob.
func (r *rig) partner() (bob identity.PartnerPerson) {
	r.T.Helper()
	_, public := newKey(r.T)
	bob = identity.PartnerPerson{ID: uuid.New(), Name: "bob", Public: public, Made: 1_700_000_000, ValidUntil: identity.Never}
	p := store.Partner{ID: uuid.New(), Realm: "b.example", URLs: []string{"https://id.b.example"}, Root: make([]byte, 32), Bundle: []byte{1}, Version: 1, Added: r.Now()}
	to := p
	to.History, to.Reached = uuid.New(), r.Now()
	r.Must(nil, r.Store.Write(r.T.Context(), func(tx *store.Tx) error {
		if err := tx.AddPartner(p); err != nil {
			return err
		}
		if err := tx.MovePartner(p, to); err != nil {
			return err
		}
		return tx.SetPartnerPeople(p.ID, []identity.PartnerPerson{bob}, nil, 1)
	}))
	return bob
}

// Promise partner-noted.
func TestWhatComesLateIsNotedWithItsTime(t *testing.T) {
	r := newRig(t)
	r.opts("alice")
	r.opts("bob")
	own, of, stranger := r.Account("bob").UUID, r.partner().ID, uuid.New()
	late := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(r.Now().Add(-d)) }
	at := func(d time.Duration) string {
		return " at=" + r.Now().Add(-d).UTC().Format(time.RFC3339) + " told-late"
	}
	const begun, confirmed, failed = v1.VerifyEvent_VERIFY_EVENT_BEGUN, v1.VerifyEvent_VERIFY_EVENT_CONFIRMED, v1.VerifyEvent_VERIFY_EVENT_FAILED
	for _, c := range []struct {
		what string
		req  *v1.NoteVerificationRequest
		want string // the row; "": refused
	}{
		{"by the old word", &v1.NoteVerificationRequest{Id: own[:], Confirmed: true}, "verify.confirm alice with=bob"},
		{"the event counts", &v1.NoteVerificationRequest{Id: own[:], Confirmed: true, Event: failed}, "verify.fail alice with=bob"},
		{"an event of later", &v1.NoteVerificationRequest{Id: own[:], Event: 9}, ""},
		{"one's own realm by name", &v1.NoteVerificationRequest{Id: own[:], Event: confirmed, Realm: "example.org"}, "verify.confirm alice with=bob"},
		{"a partner's", &v1.NoteVerificationRequest{Id: of[:], Event: confirmed, Realm: "b.example"}, "verify.confirm alice with=bob@b.example"},
		{"who went from a partner", &v1.NoteVerificationRequest{Id: stranger[:], Event: confirmed, Realm: "b.example"}, "verify.confirm alice with=" + stranger.String() + "@b.example"},
		{"of no partner", &v1.NoteVerificationRequest{Id: stranger[:], Event: confirmed, Realm: "c.example"}, ""},
		{"nobody", &v1.NoteVerificationRequest{Id: stranger[:], Event: confirmed}, ""},
		{"an hour late", &v1.NoteVerificationRequest{LateId: of[:], Event: begun, Realm: "b.example", Made: late(time.Hour)}, "verify.begin alice with=bob@b.example" + at(time.Hour)},
		{"late, of one's own realm", &v1.NoteVerificationRequest{LateId: own[:], Event: begun, Made: late(time.Hour)}, "verify.begin alice with=bob" + at(time.Hour)},
		{"late, and gone", &v1.NoteVerificationRequest{LateId: stranger[:], Event: failed, Made: late(time.Hour)}, "verify.fail alice with=" + stranger.String() + "@example.org" + at(time.Hour)},
		{"late, of no partner any more", &v1.NoteVerificationRequest{LateId: stranger[:], Event: failed, Realm: "c.example", Made: late(time.Hour)}, "verify.fail alice with=" + stranger.String() + "@c.example" + at(time.Hour)},
		{"late, of what is no realm", &v1.NoteVerificationRequest{LateId: stranger[:], Event: failed, Realm: "c.example with=bob", Made: late(time.Hour)}, ""},
		{"late, and its id where a server of before reads it", &v1.NoteVerificationRequest{Id: own[:], Event: begun, Made: late(time.Hour)}, ""},
		{"31 days late", &v1.NoteVerificationRequest{LateId: own[:], Event: begun, Made: late(31 * 24 * time.Hour)}, "verify.begin alice with=bob" + at(31*24*time.Hour)},
		{"later than that", &v1.NoteVerificationRequest{LateId: own[:], Event: begun, Made: late(31*24*time.Hour + time.Second)}, ""},
		{"by a clock that is a little fast", &v1.NoteVerificationRequest{LateId: own[:], Event: begun, Made: late(-time.Minute)}, "verify.begin alice with=bob" + at(-time.Minute)},
		{"in the future", &v1.NoteVerificationRequest{LateId: own[:], Event: begun, Made: late(-6 * time.Minute)}, ""},
	} {
		before := len(r.rows())
		c.req.Account = "alice"
		_, err := r.s.NoteVerification(r.Call(), c.req)
		rows := r.rows()[before:]
		if c.want == "" && (err == nil || connect.CodeOf(err) == connect.CodeInternal || len(rows) > 0) || c.want != "" && (err != nil || !slices.Equal(rows, []string{c.want})) {
			t.Errorf("%s: %q, %v, want %q", c.what, rows, err, c.want)
		}
	}
	_, err := r.s.NoteVerification(r.Call(), &v1.NoteVerificationRequest{Account: "mallory", LateId: own[:], Made: late(time.Hour)})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("of no account: %v", err)
	}
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "few"}))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"few"}}}))
	_, err = r.s.NoteVerification(r.Call(), &v1.NoteVerificationRequest{Account: "alice", LateId: own[:], Made: late(time.Hour)})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("of an account that is not the machine's: %v", err)
	}
}

// Promise verify-set-up.
func TestWhetherPartnersAreToldIsProvedAndNoted(t *testing.T) {
	r := newRig(t)
	_, public := newKey(t)
	set := func(proved, asked bool) error {
		_, err := r.s.SetVerifyKey(r.Call(), &v1.SetVerifyKeyRequest{
			SessionToken: r.session("alice", identity.PurposeOfVerifyKey(public, proved)), PublicKey: public, Partners: asked,
		})
		return err
	}
	for _, proved := range []bool{true, false} {
		if err := set(proved, !proved); connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("proved for %t: %v", proved, err)
		}
	}
	r.Must(nil, set(false, false))
	made := r.key("alice").Made
	for _, partners := range []bool{true, true, false, false} {
		r.Unix.Add(60)
		r.Must(nil, set(partners, partners))
		if k := r.key("alice"); k.Partners != partners || !k.Made.Equal(made) {
			t.Errorf("%+v", k)
		}
	}
	is := fmt.Sprintf("verify.set alice fingerprint=%q", verify.Fingerprint(public))
	if got, want := strings.Join(r.rows(), "\n"), strings.Join([]string{is, is + " partners=true", is + " partners=false"}, "\n"); got != want {
		t.Errorf("audit:\n%s", got)
	}
}

func (r *rig) key(name string) (k store.VerifyKey) {
	r.T.Helper()
	a := r.Account(name)
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) (err error) {
		k, err = tx.VerifyKey(a.UUID)
		return err
	}))
	return k
}

func TestPeopleOfOnesOwnRealmAreToldWithTheirRealm(t *testing.T) {
	r := newRig(t)
	r.opts("alice")
	r.opts("bob")
	r.Settings.URL = "https://id.example.org:8443"
	r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Organisation: new("Example Ltd.")}))
	if _, err := r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Organisation: new("two\nlines")}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("two lines: %v", err)
	}
	for _, of := range []string{"", "example.org", "Example.ORG"} {
		found, err := r.s.FindVerifyPerson(r.Call(), &v1.FindVerifyPersonRequest{Account: "alice", Name: "bob", Realm: of})
		r.Must(nil, err)
		for _, p := range []*v1.VerifyPerson{found.GetPerson(), found.GetOwn()} {
			if p.GetRealm() != "example.org" || p.GetOrganisation() != "Example Ltd." || p.GetDomain() != "id.example.org" || p.GetTold() != nil || p.GetPartners() {
				t.Errorf("%q: %v", of, p)
			}
		}
	}
}
