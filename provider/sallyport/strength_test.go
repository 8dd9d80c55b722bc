package sallyport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// signed is a card's answer to a reply, and enrolled one by which it is added.
func (a account) signed(r provider.Reply) identity.Secret {
	_, b := byCard(a, &v1.Nonce{Value: r.Nonce.Value[:], Time: r.Nonce.Time})
	return identity.NewSecret(b)
}

func (a account) enrolled(r provider.Reply) identity.Secret {
	p, err := identity.ParseCardProof(a.signed(r).Reveal())
	ok(a.tap.t, nil, err)
	p.Certificate = a.der
	s, err := p.Encode()
	ok(a.tap.t, nil, err)
	return s
}

// TestCardsMoreAndBackupCodesGoOverTheWire goes through a person's ways with a card
// and with codes as the resolver does.
// Promise card-wire.
func TestCardsMoreAndBackupCodesGoOverTheWire(t *testing.T) {
	r := newRealm(t)
	a := holder(t, r, true)
	p := open(t, a.o)
	begin := func(at provider.Attempt) (provider.Exchange, provider.Reply) {
		t.Helper()
		at.Name, at.Service = "alice", "test"
		e, reply, err := p.Begin(t.Context(), at)
		ok(t, nil, err)
		if reply.Nonce == (identity.Nonce{}) {
			t.Fatal("no nonce")
		}
		return e, reply
	}
	step := func(e provider.Exchange, kind identity.FactorKind, s identity.Secret, more bool, want provider.Outcome) provider.Reply {
		t.Helper()
		reply, err := e.Step(t.Context(), provider.Answer{Kind: kind, Credential: s, More: more})
		ok(t, nil, err)
		if reply.Outcome != want {
			t.Fatalf("%s: %+v", kind, reply)
		}
		return reply
	}
	e, reply := begin(provider.Attempt{})
	reply = step(e, identity.PIV, a.signed(reply), true, provider.Continue)
	if reply.Nonce != (identity.Nonce{}) || len(reply.Offers) != 3 {
		t.Fatalf("%+v", reply)
	}
	reply = step(e, identity.BackupCode, secret(a.codes[0]), false, provider.Allow)
	if len(reply.Session.Methods) != 2 || len(reply.Record.Token.Points) != 4 {
		t.Fatalf("%+v", reply)
	}
	e, reply = begin(provider.Attempt{Enrol: identity.BackupCode})
	if got := step(e, identity.PIV, a.signed(reply), false, provider.Allow); len(got.BackupCodes) != 10 {
		t.Fatal(len(got.BackupCodes))
	}
	e, reply = begin(provider.Attempt{Remove: identity.PIV, RemoveCard: identity.CardFingerprint(a.der)})
	reply = step(e, identity.PIV, a.signed(reply), false, provider.Allow)
	if len(reply.Record.Token.RevokedCards) != 1 {
		t.Fatalf("%+v", reply.Record.Token)
	}
	ok(t, nil, second(r.admin.RemoveCard(t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hex.EncodeToString(reply.Record.Token.RevokedCards[0])})))
	e, _ = begin(provider.Attempt{Enrol: identity.PIV})
	step(e, identity.Password, secret(testPassword), false, provider.Continue)
	reply = step(e, identity.TOTP, secret(codeOf(t, totpKey, 0)), false, provider.Continue)
	reply = step(e, identity.NewPIV, a.enrolled(reply), false, provider.Allow)
	if len(reply.Record.Token.Factors) != 4 {
		t.Fatalf("%+v", reply.Record.Token.Factors)
	}
}

// careless offers a card without what it is to sign.
type careless struct {
	*liar
	nonce *v1.Nonce
}

func (c *careless) Begin(context.Context, *v1.BeginRequest) (*v1.BeginResponse, error) {
	return &v1.BeginResponse{Outcome: v1.Outcome_OUTCOME_CONTINUE, Session: "s", Offers: []string{"password"}}, nil
}

func (c *careless) Step(context.Context, *v1.StepRequest) (*v1.StepResponse, error) {
	return &v1.StepResponse{Outcome: v1.Outcome_OUTCOME_CONTINUE, Session: "s", Offers: []string{"piv"}, Nonce: c.nonce}, nil
}

// Promise card-wire.
func TestACardIsNeverAskedToSignANonceThatIsNone(t *testing.T) {
	for _, n := range []*v1.Nonce{nil, {}, {Value: make([]byte, 31)}, {Value: make([]byte, 33), Time: 1}} {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		ok(t, nil, err)
		_, machineKey, err := ed25519.GenerateKey(rand.Reader)
		ok(t, nil, err)
		mux := http.NewServeMux()
		c := &careless{&liar{pub: pub}, n}
		mux.Handle(sallyportv1connect.NewRealmServiceHandler(c))
		mux.Handle(sallyportv1connect.NewAuthenticationServiceHandler(c))
		s := httptest.NewTLSServer(mux)
		t.Cleanup(s.Close)
		p := open(t, sallyport.Options{
			URL: s.URL, RootPEM: c.trusted(t, s),
			MachineKey: machineKey, MachineID: uuid.New(), Memory: &providertest.Memory{},
		})
		e, _, err := p.Begin(t.Context(), provider.Attempt{Name: "alice"})
		ok(t, nil, err)
		reply, err := e.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret("x")})
		if !errors.Is(err, provider.ErrOffline) || reply.Outcome != provider.Deny || len(reply.Offers) > 0 {
			t.Errorf("%v: %+v, %v", n, reply, err)
		}
	}
}
