package sallyport //nolint:testpackage // event is what reads the stream's messages

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// forgetful keeps nothing.
type forgetful struct{}

func (forgetful) Recall(context.Context, string) ([]byte, error) { return nil, identity.ErrNotFound }
func (forgetful) Remember(context.Context, string, []byte) error { return errors.New("full") }

// FuzzEvent: whatever a message of the change stream holds, an event that says an
// account changed carries a token that its realm signed, word for word.
func FuzzEvent(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := identity.NewSigner(key)
	if err != nil {
		f.Fatal(err)
	}
	ring, err := identity.NewKeyring("r", []ed25519.PublicKey{key.Public().(ed25519.PublicKey)})
	if err != nil {
		f.Fatal(err)
	}
	const id = 2_000_000_000
	account := uuid.MustParse("0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10")
	token, err := signer.SignIDToken(&identity.IDToken{
		Realm: "r", State: identity.Active, ValidUntil: identity.Never, Revision: 7,
		Account: identity.Account{UUID: account, Name: "alice", UID: id, GID: id, Home: "/home/alice", Shell: "/bin/sh"},
		Groups:  []identity.Group{{UUID: account, Name: "alice", GID: id}},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []*v1.WatchResponse{
		{Position: 1, ServerTime: timestamppb.New(time.Unix(1, 0)), Event: &v1.WatchResponse_Changed{Changed: token}},
		{Event: &v1.WatchResponse_Changed{Changed: token[:len(token)-1]}},
		{Position: 2, Event: &v1.WatchResponse_Gone{Gone: account.String()}},
		{Event: &v1.WatchResponse_Gone{Gone: "nobody"}},
		{},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	// Nobody listens there, so an unknown key stays unknown.
	cert, err := machineCertificate(key)
	if err != nil {
		f.Fatal(err)
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	p, err := New(Options{URL: "https://127.0.0.1:1", RootPEM: root, MachineKey: key, MachineID: account, Memory: forgetful{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.Close() })
	p.keys.Store(ring)
	ended, end := context.WithCancel(context.Background())
	end()
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(v1.WatchResponse)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		e, err := p.fleet.all()[0].event(ended, m)
		if err != nil {
			return
		}
		if e.ServerTime.IsZero() != !m.GetServerTime().IsValid() {
			t.Errorf("the server said %v, and that became %v", m.GetServerTime(), e.ServerTime)
		}
		switch e.Kind {
		case provider.Changed:
			if got, err := ring.IDToken(e.Record.Signed); err != nil || got.Account.UUID != e.UUID || e.Record.Token.Revision != 7 {
				t.Errorf("taken: %+v (%v)", e.Record.Token, err)
			}
		case provider.Gone:
			if id, err := uuid.Parse(m.GetGone()); err != nil || id != e.UUID {
				t.Errorf("%q is gone: %+v", m.GetGone(), e)
			}
		default:
		}
	})
}
