package sallyport_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// resume follows changes until the first thing is heard, and returns its kind.
func resume(t testing.TB, p *sallyport.Provider) (provider.EventKind, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	enough := errors.New("enough")
	var first provider.EventKind
	err := p.Watch(ctx, provider.Position{}, nil, func(e provider.Event) error {
		first = e.Kind
		return enough
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return first, err
}

// Promise keys-emergency.
func TestAnEmergencyRotationVoidsWhatTheOldKeysSigned(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	o := r.options("box")
	p := open(t, o)
	before, err := p.Fetch(t.Context(), "alice")
	ok(t, nil, err)

	_, err = r.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{})
	ok(t, nil, err)
	ok(t, nil, fetches(t, p))
	if _, err := p.Verify(before.Signed); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if first, err := resume(t, p); err != nil || first == provider.Reset {
		t.Errorf("after a rotation came %v, %v", first, err)
	}

	_, err = r.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{Emergency: true})
	ok(t, nil, err)
	if p.Disowning() {
		t.Error("before anything was taken back, something is disowned")
	}
	if first, err := resume(t, p); err != nil || first != provider.Reset || !p.Disowning() {
		t.Errorf("after an emergency came %v, %v", first, err)
	}
	if _, err := p.Verify(before.Signed); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("what the old key signed still verifies: %v", err)
	}
	// A machine that is started anew before it has listed has not forgotten.
	p = open(t, o)
	if first, err := resume(t, p); err != nil || first != provider.Reset {
		t.Errorf("after a restart came %v, %v", first, err)
	}
	_, err = p.List(t.Context(), func(provider.Record) error { return nil })
	ok(t, nil, err)
	if p.Disowning() {
		t.Error("the list ends nothing")
	}
	for range 2 {
		if first, err := resume(t, p); err != nil || first == provider.Reset {
			t.Errorf("after the list came %v, %v", first, err)
		}
		p = open(t, o)
	}
}

// Promise keys-realm-key.
func TestMachinesFollowTheRealmKeyAndStopAtALostOne(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	away, o := r.options("away"), r.options("box")
	p := open(t, o)
	for range 3 {
		_, err := r.admin.RotateRealmKey(t.Context(), &v1.RotateRealmKeyRequest{})
		ok(t, nil, err)
	}
	_, err := resume(t, p)
	ok(t, nil, err)
	_, err = resume(t, open(t, away))
	ok(t, nil, err)
	_, err = resume(t, open(t, o))
	ok(t, nil, err)

	ok(t, nil, os.Remove(filepath.Join(r.dir, "realm.key")))
	keys, err := r.admin.RotateRealmKey(t.Context(), &v1.RotateRealmKeyRequest{Lost: true})
	ok(t, nil, err)
	var doubt *provider.DoubtError
	if _, err = resume(t, p); !errors.As(err, &doubt) || !strings.Contains(doubt.Mend, "sallyport trust --fingerprint") {
		t.Fatalf("got %v", err)
	}
	if _, err := sallyport.Trust(t.Context(), sallyport.Server{URL: r.url}, "other", keys.GetFingerprint()); !errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("trusted for another realm: %v", err)
	}
	o.RootPEM, err = sallyport.Trust(t.Context(), sallyport.Server{URL: r.url}, o.Realm, keys.GetFingerprint())
	ok(t, nil, err)
	_, err = resume(t, open(t, o))
	ok(t, nil, err)
}

// Promise keys-any-authority.
func TestANewAuthorityForTLSNeedsNoVisit(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	ok(t, nil, fetches(t, p))
	stolen := servertest.Steal(t, r.dir).Authority.Leaf
	_, err := r.admin.RenewCA(t.Context(), &v1.RenewCARequest{})
	ok(t, nil, err)
	_ = p.Close()
	ok(t, nil, fetches(t, p))
	_, err = resume(t, p)
	ok(t, nil, err)
	if servertest.Steal(t, r.dir).Authority.Leaf.Equal(stolen) {
		t.Error("the authority is the same")
	}
	r.stop()
	r.start("")
	ok(t, nil, err)
}

// older makes a machine's state what it was before there were realm keys.
func (r *liveRealm) older(o sallyport.Options, keys ...[]byte) sallyport.Options {
	r.t.Helper()
	for rest := o.RootPEM; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" {
			o.RootPEM = pem.EncodeToMemory(b)
		}
	}
	type trusted struct {
		Realm string   `cbor:"1,keyasint"`
		Keys  [][]byte `cbor:"2,keyasint"`
	}
	b, err := cbor.Marshal(trusted{o.Realm, keys})
	ok(r.t, nil, err)
	o.Memory = &providertest.Memory{}
	if len(keys) > 0 {
		ok(r.t, nil, o.Memory.Remember(r.t.Context(), "sallyport realm keys", b))
	}
	return o
}

// list puts another key list into the database, or none.
func (r *liveRealm) list(signed []byte) {
	r.t.Helper()
	db := postgres.Raw(r.t, "", filepath.Join(r.dir, "sallyport.db"))
	_, err := db.ExecContext(r.t.Context(), `DELETE FROM key_list`)
	ok(r.t, nil, err)
	if signed != nil {
		_, err = db.ExecContext(r.t.Context(), `INSERT INTO key_list (one, bundle) VALUES (1, $1)`, signed)
		ok(r.t, nil, err)
	}
}

// keys are what the server names to machines from before there were realm keys.
func (r *liveRealm) keys() [][]byte {
	r.t.Helper()
	h := insecure()
	defer h.CloseIdleConnections()
	resp, err := sallyportv1connect.NewRealmServiceClient(clientOf(h), r.url).Describe(r.t.Context(), &v1.DescribeRequest{})
	ok(r.t, nil, err)
	return resp.GetSigningKeys()
}

// Promise keys-from-before.
func TestMachinesOfBeforeMoveOverByASignedStep(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	joined := r.options("box")
	// The folder as it was: without realm key and list.
	r.stop()
	ok(t, nil, os.Remove(filepath.Join(r.dir, "realm.key")))
	r.list(nil)
	r.start("")
	joined.URL = r.url
	old := r.older(joined, r.keys()...)

	_, err := r.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}) // the machine was away
	ok(t, nil, err)
	p := open(t, old)
	ok(t, nil, fetches(t, p))
	_, err = resume(t, p)
	ok(t, nil, err)
	// From then on the realm key counts, and the certificate no more.
	_, err = r.admin.RenewCA(t.Context(), &v1.RenewCARequest{})
	ok(t, nil, err)
	ok(t, nil, fetches(t, open(t, old)))
}

// Promise keys-from-before.
func TestAMachineOfBeforeTakesNoRealmKeyUnvouched(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	joined := r.options("box")
	for sentence, o := range map[string]sallyport.Options{
		"it holds no signing key":      r.older(joined),
		"it holds another signing key": r.older(joined, public(newKey(t))),
	} {
		t.Run(sentence, func(t *testing.T) {
			err := fetches(t, open(t, o))
			var doubt *provider.DoubtError
			if !errors.As(err, &doubt) || !strings.Contains(doubt.Mend, "sallyport trust --fingerprint") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Promise keys-from-before.
func TestAnOldServerIsGoodForKnownKeysAlone(t *testing.T) {
	h := newHouse(t)
	o := h.machine
	r := &liveRealm{t: t}
	o = r.older(sallyport.Options{
		URL: o.URL, Realm: o.Realm, MachineKey: o.MachineKey, MachineID: o.MachineID,
		RootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert.Certificate[0]}),
	}, public(h.signing))
	h.answer(h.cert, &answers{keys: []ed25519.PublicKey{public(h.signing)}, token: h.token(h.signing, 1)})
	p := open(t, o)
	ok(t, nil, fetches(t, p))
	if first, err := resume(t, p); err != nil || first != provider.CaughtUp {
		t.Errorf("first came %v, %v", first, err)
	}
	next := newKey(t)
	h.answer(h.cert, &answers{keys: []ed25519.PublicKey{public(next)}, token: h.token(next, 2)})
	err := fetches(t, p)
	var doubt *provider.DoubtError
	if !errors.As(err, &doubt) || !strings.Contains(doubt.Mend, "Upgrade sallyport-server") {
		t.Errorf("a new key of an old server: %v", err)
	}
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: o.URL}, "code", fingerprintOf(h.cert.Certificate[0])); !errors.As(err, &doubt) || !strings.Contains(doubt.Mend, "Upgrade sallyport-server") {
		t.Errorf("joining an old server: %v", err)
	}
}

// Promise keys-join.
func TestAnOldFingerprintIsSaidToBeOne(t *testing.T) {
	r := newRealm(t)
	ca := servertest.Steal(t, r.dir).Authority
	var doubt *provider.DoubtError
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, "code", fingerprintOf(ca.Certificate[0])); !errors.As(err, &doubt) || !strings.Contains(doubt.What, "older program") {
		t.Errorf("got %v", err)
	}
}

// Promise keys-version.
func TestACopiedBackFolderSignsNewerLists(t *testing.T) {
	r := newRealm(t)
	p := r.machine()
	key := filepath.Join(r.dir, "realm.key")
	old := servertest.Steal(t, r.dir).List
	realmKey, err := os.ReadFile(key)
	ok(t, nil, err)
	for range 3 {
		_, err := r.admin.SignKeys(t.Context(), &v1.SignKeysRequest{})
		ok(t, nil, err)
	}
	_, err = resume(t, p)
	ok(t, nil, err)
	o := r.url[len("https://"):]
	r.stop()
	r.list(old)
	r.start(o)
	_, err = resume(t, p)
	ok(t, nil, err)

	// A realm key that is kept elsewhere signs nothing by itself.
	r.stop()
	r.list(old)
	ok(t, nil, os.Remove(key))
	r.start(o)
	var doubt *provider.DoubtError
	if _, err = resume(t, p); !errors.As(err, &doubt) || !strings.Contains(doubt.Mend, "sallyport-server keys sign") {
		t.Fatalf("got %v", err)
	}
	_, err = r.admin.SignKeys(t.Context(), &v1.SignKeysRequest{RealmKey: realmKey})
	ok(t, nil, err)
	_, err = resume(t, p)
	ok(t, nil, err)
}
