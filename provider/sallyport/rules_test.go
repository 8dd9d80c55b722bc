package sallyport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"
	"github.com/veraison/go-cose"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// signAnything signs a token without a look at it, as our own server never does.
func signAnything(t *testing.T, key ed25519.PrivateKey, token *identity.IDToken, critical ...any) []byte {
	t.Helper()
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
	if err != nil {
		t.Fatal(err)
	}
	m := cose.NewSign1Message()
	m.Headers.Protected.SetAlgorithm(cose.AlgorithmEdDSA)
	m.Headers.Protected[cose.HeaderLabelKeyID] = identity.KeyID(key.Public().(ed25519.PublicKey))
	m.Headers.Protected[cose.HeaderLabelContentType] = "application/sallyport-id-token+cbor"
	if len(critical) > 0 {
		m.Headers.Protected[cose.HeaderLabelCritical] = critical
		for _, c := range critical {
			m.Headers.Protected[c] = true
		}
	}
	if m.Payload, err = cbor.Marshal(token); err != nil {
		t.Fatal(err)
	}
	if err := m.Sign(rand.Reader, nil, signer); err != nil {
		t.Fatal(err)
	}
	b, err := m.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func person(name string, id uint32) *identity.IDToken {
	return &identity.IDToken{
		Realm: "r", State: identity.Active, ValidUntil: identity.Never, Revision: 1,
		Account: identity.Account{UUID: uuid.New(), Name: identity.Name(name), UID: id, GID: id, Home: "/home/x", Shell: "/bin/sh"},
		Groups:  []identity.Group{{UUID: uuid.New(), Name: identity.Name(name), GID: id}},
	}
}

// lister lists what it was given.
type lister struct {
	*liar
	tokens [][]byte
}

func (l *lister) ListIDTokens(_ context.Context, _ *v1.ListIDTokensRequest, s *connect.ServerStream[v1.ListIDTokensResponse]) error {
	return s.Send(&v1.ListIDTokensResponse{IdTokens: l.tokens, Position: 7, Done: true})
}

func TestOneAccountThatBreaksTheRulesKeepsNoOtherOut(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &lister{liar: &liar{pub: pub}, tokens: [][]byte{
		signAnything(t, key, person("root", 0)), signAnything(t, key, person("../x", 2_000_000_001)),
		signAnything(t, key, person("alice", 2_000_000_000)),
	}}
	p := listed(t, l)
	sound, unsound := 0, 0
	position, err := p.List(t.Context(), func(r provider.Record) error {
		if r.Token.Validate() == nil {
			sound++
		} else {
			unsound++
		}
		return nil
	})
	if err != nil || position.Revision != 7 || sound != 1 || unsound != 2 {
		t.Errorf("%d sound, %d unsound, position %d, %v", sound, unsound, position, err)
	}
	// What was remembered is held to every rule again.
	if _, err := p.Verify(l.tokens[0]); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a remembered token that breaks the rules: %v", err)
	}
}

// listed is a provider whose server lists those tokens.
func listed(t *testing.T, l *lister) *sallyport.Provider {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(l))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(l))
	return l.reached(t, mux, uuid.New())
}

func TestANewerReleaseIsNotCalledAnImpostor(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := listed(t, &lister{liar: &liar{pub: pub}, tokens: [][]byte{signAnything(t, key, person("alice", 2_000_000_000), "sallyport-hours")}})
	_, err = p.List(t.Context(), func(provider.Record) error { return nil })
	if !errors.Is(err, provider.ErrNewer) || !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("%v; want ErrNewer, which is ErrOffline and not ErrUntrusted", err)
	}
}
