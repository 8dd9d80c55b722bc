package verification_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/server/verification"
)

// rig is a realm with alice, carol and bob, who has just been added.
type rig struct {
	*servertest.Bench
	s *verification.Service
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Bench: servertest.New(t)}
	r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob", FullName: "Bob Smith"}))
	r.s = verification.New(r.Realm)
	return r
}

// session is a token of somebody who has just proved a password at the box, for that.
func (r *rig) session(name, purpose string, change ...func(*identity.SessionToken)) []byte {
	r.T.Helper()
	t := r.Proved(name, purpose)
	for _, f := range change {
		f(&t)
	}
	return r.Signed(t)
}

func newKey(t testing.TB) (private identity.Secret, public []byte) {
	t.Helper()
	private, err := verify.NewKey()
	if err == nil {
		public, err = verify.Public(private)
	}
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func (r *rig) set(session, public []byte) error {
	_, err := r.s.SetVerifyKey(r.Call(), &v1.SetVerifyKeyRequest{SessionToken: session, PublicKey: public})
	return err
}

// opts has somebody set a key.
func (r *rig) opts(name string) (private identity.Secret, public []byte) {
	r.T.Helper()
	private, public = newKey(r.T)
	r.Must(nil, r.set(r.session(name, identity.PurposeOfVerifyKey(public, false)), public))
	return private, public
}

func (r *rig) aliceFinds(name string) (*v1.FindVerifyPersonResponse, error) {
	return r.s.FindVerifyPerson(r.Call(), &v1.FindVerifyPersonRequest{Account: "alice", Name: name})
}

// rows are those of the audit log about this, as "action subject detail".
func (r *rig) rows() (all []string) {
	r.T.Helper()
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		return tx.Audit(0, time.Time{}, 1_000_000, func(e store.Entry) error {
			if strings.HasPrefix(e.Action, "verify.") {
				all = append(all, e.Action+" "+e.Subject+" "+e.Detail)
			}
			return nil
		})
	}))
	return all
}

// Promise verify-set-up.
func TestAKeyIsSetByAProofOfThatAccountForThatKeyAlone(t *testing.T) {
	r := newRig(t)
	_, public := newKey(t)
	_, other := newKey(t)
	purpose := identity.PurposeOfVerifyKey(public, false)
	for sentence, session := range map[string][]byte{
		"nothing":         nil,
		"a login":         r.session("alice", ""),
		"for another key": r.session("alice", identity.PurposeOfVerifyKey(other, false)),
		"for a removal":   r.session("alice", identity.PurposeOfVerifyKey(nil, false)),
		"of before":       r.session("alice", purpose, func(s *identity.SessionToken) { s.AuthenticatedAt -= 200 }),
		"elsewhere":       r.session("alice", purpose, func(s *identity.SessionToken) { s.Machine = uuid.New() }),
	} {
		if err := r.set(session, public); connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if err := r.set(r.session("alice", purpose), public[1:]); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("half a key: %v", err)
	}
	if n := len(r.rows()); n != 0 {
		t.Fatalf("%d rows", n)
	}
	r.Must(nil, r.set(r.session("alice", purpose), public))
	r.Must(nil, r.set(r.session("alice", purpose), public)) // sent twice
	_, second := r.opts("alice")
	if err := r.set(r.session("alice", ""), nil); err == nil {
		t.Error("removed by a login")
	}
	r.Must(nil, r.set(r.session("alice", identity.PurposeOfVerifyKey(nil, false)), nil))
	want := []string{
		fmt.Sprintf("verify.set alice fingerprint=%q", verify.Fingerprint(public)),
		fmt.Sprintf("verify.set alice fingerprint=%q replaces=%q", verify.Fingerprint(second), verify.Fingerprint(public)),
		"verify.remove alice ",
	}
	if got := r.rows(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Promise verify-opted.
func TestOnlyWhoHasSetAKeyIsToldOfAndTold(t *testing.T) {
	r := newRig(t)
	if _, err := r.aliceFinds("bob"); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("without a key of one's own: %v", err)
	}
	_, own := r.opts("alice")
	_, none := r.aliceFinds("nobody")
	if _, err := r.aliceFinds("bob"); connect.CodeOf(err) != connect.CodeNotFound || err.Error() != none.Error() {
		t.Errorf("without a key of the other's: %v; without an account: %v", err, none)
	}
	_, his := r.opts("bob")
	found, err := r.aliceFinds("bob")
	r.Must(nil, err)
	if p := found.GetPerson(); !bytes.Equal(p.GetPublicKey(), his) || p.GetFullName() != "Bob Smith" || p.GetName() != "bob" || !bytes.Equal(found.GetOwn().GetPublicKey(), own) {
		t.Errorf("%v", found)
	}
	if _, err := r.aliceFinds("alice"); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("oneself: %v", err)
	}
	bob := r.Account("bob").UUID
	note := func(id []byte, yes bool) error {
		_, err := r.s.NoteVerification(r.Call(), &v1.NoteVerificationRequest{Account: "alice", Id: id, Confirmed: yes})
		return err
	}
	r.Must(nil, note(bob[:], true))
	r.Must(nil, note(bob[:], false))
	if err := note(bob[1:], true); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("no id: %v", err)
	}
	if got := strings.Join(r.rows()[2:], "\n"); got != "verify.begin alice with=bob\nverify.confirm alice with=bob\nverify.fail alice with=bob" {
		t.Errorf("audit:\n%s", got)
	}
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.SetState(bob, identity.Disabled) }))
	if _, err := r.aliceFinds("bob"); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("one who is disabled: %v", err)
	}
}

// at is somebody at the console.
func (r *rig) at(name string) verification.Who {
	return func(tx *store.Tx) (store.Account, error) { return tx.AccountByName(identity.Name(name)) }
}

// copied is a copy of the database.
func (r *rig) copied() []byte {
	r.T.Helper()
	path := filepath.Join(r.T.TempDir(), "copy")
	r.Must(nil, store.Copy(r.T.Context(), r.Dir.DatabaseOf(r.Settings), path))
	all, err := os.ReadFile(path)
	r.Must(nil, err)
	return all
}

// Promise verify-stored.
func TestWhatTheServerStoresDoesNotSufficeForACode(t *testing.T) {
	r := newRig(t)
	on := true
	r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Console: &on, VerifyServerKeys: &on}))
	r.Must(nil, r.s.HoldKey(t.Context(), r.at("alice"), false, false))
	var held store.VerifyKey
	id := r.Account("alice").UUID
	r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) (err error) {
		held, err = tx.VerifyKey(id)
		return err
	}))
	if held.Sealed == nil || !bytes.Contains(r.copied(), held.Sealed) {
		t.Fatal("the server does not hold the key that it is to hold")
	}
	private, _ := r.opts("alice") // at a machine, from now on
	his, _ := r.opts("bob")
	found, err := r.aliceFinds("bob")
	r.Must(nil, err)
	if found.GetOwn().GetServerHeld() || found.GetPerson().GetServerHeld() {
		t.Error("machines' keys are told as the server's")
	}
	if _, err := r.s.Show(t.Context(), r.at("alice"), found.GetPerson(), ""); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("the server computes a code for a machine's key: %v", err)
	}
	copied := r.copied()
	if !bytes.Contains(copied, found.GetPerson().GetPublicKey()) {
		t.Fatal("the copy has not even the public half")
	}
	for what, secret := range map[string][]byte{
		"her private half": private.Reveal(), "his private half": his.Reveal(),
		"the half that the server held": held.Sealed, "the public half of what it held": held.Public,
	} {
		for _, form := range [][]byte{secret, []byte(hex.EncodeToString(secret))} {
			if bytes.Contains(copied, form) {
				t.Errorf("%s is stored", what)
			}
		}
	}
}

// Promise verify-held.
func TestAKeyThatTheServerHoldsIsToldAsSuchAndSealedForItsOwner(t *testing.T) {
	r := newRig(t)
	r.opts("bob")
	if err := r.s.HoldKey(t.Context(), r.at("alice"), false, false); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("a realm that allows none: %v", err)
	}
	on, off := true, false
	r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Console: &on, VerifyServerKeys: &on}))
	r.Must(nil, r.s.HoldKey(t.Context(), r.at("alice"), false, false))
	if err := r.s.HoldKey(t.Context(), r.at("bob"), false, false); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("in place of a machine's: %v", err)
	}
	found, err := r.s.FindVerifyPerson(r.Call(), &v1.FindVerifyPersonRequest{Account: "bob", Name: "alice"})
	r.Must(nil, err)
	if !found.GetPerson().GetServerHeld() || found.GetOwn().GetServerHeld() {
		t.Errorf("%v", found)
	}
	bob, err := r.s.Find(t.Context(), r.at("alice"), "bob", "")
	r.Must(nil, err)
	if call, err := r.s.Show(t.Context(), r.at("alice"), bob, ""); err != nil || len(call.Say) != 9 {
		t.Errorf("%+v, %v", call, err)
	}
	// Sealed for alice, and put in another's place by somebody who writes to the database.
	var held store.VerifyKey
	alice, carol := r.Account("alice").UUID, r.Account("carol").UUID
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) (err error) {
		if held, err = tx.VerifyKey(alice); err == nil {
			err = tx.SetVerifyKey(carol, held)
		}
		return err
	}))
	if call, err := r.s.Show(t.Context(), r.at("carol"), bob, ""); err == nil {
		t.Errorf("another's key says %+v", call)
	}
	if _, err := r.Realm.Box.Open(alice, held.Sealed); err == nil {
		t.Error("it opens as another secret of hers")
	}
	// A server of before knows nothing of what is held, and sets a machine's key.
	_, public := newKey(t)
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error {
		return tx.SetVerifyKey(alice, store.VerifyKey{Public: public, Made: r.Now()})
	}))
	r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{VerifyServerKeys: &off}))
	r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) error {
		if k, err := tx.VerifyKey(alice); err != nil || !bytes.Equal(k.Public, public) || k.Sealed != nil {
			t.Errorf("her machine's key ended with the held ones: %v", err)
		}
		if _, err := tx.VerifyKey(carol); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("a held one is left: %v", err)
		}
		return nil
	}))
	if bytes.Contains(r.copied(), held.Sealed) {
		t.Error("a private half is left")
	}
	if got := r.rows(); got[len(got)-1] != "verify.remove carol server-held" {
		t.Errorf("%q", got)
	}
}

// Promise verify-opted.
func TestAKeyThatWasSetAtOneServerIsToldByAnother(t *testing.T) {
	r := newRig(t)
	r.opts("alice")
	_, his := r.opts("bob")
	second := r.s // a database in a file has one server
	if r.Settings.Database != "" {
		second = verification.New(r.Another().Realm)
	}
	found, err := second.FindVerifyPerson(r.Call(), &v1.FindVerifyPersonRequest{Account: "alice", Name: "bob"})
	r.Must(nil, err)
	if !bytes.Equal(found.GetPerson().GetPublicKey(), his) {
		t.Errorf("%v", found)
	}
	r.Must(nil, r.set(r.session("bob", identity.PurposeOfVerifyKey(nil, false)), nil))
	if _, err := second.FindVerifyPerson(r.Call(), &v1.FindVerifyPersonRequest{Account: "alice", Name: "bob"}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("removed at the one: %v", err)
	}
}
