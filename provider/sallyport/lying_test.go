package sallyport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// liar holds the realm's key and signs what a test tells it to.
type liar struct {
	sallyportv1connect.UnimplementedDirectoryServiceHandler
	sallyportv1connect.UnimplementedAuthenticationServiceHandler
	pub         ed25519.PublicKey
	id, session []byte
	list        []byte
}

func (l *liar) Describe(context.Context, *v1.DescribeRequest) (*v1.DescribeResponse, error) {
	return &v1.DescribeResponse{Realm: "r", SigningKeys: [][]byte{l.pub}, KeyList: l.list}, nil
}

func (l *liar) GetIDToken(context.Context, *v1.GetIDTokenRequest) (*v1.GetIDTokenResponse, error) {
	return &v1.GetIDTokenResponse{IdToken: l.id}, nil
}

func (l *liar) Begin(context.Context, *v1.BeginRequest) (*v1.BeginResponse, error) {
	return &v1.BeginResponse{Outcome: v1.Outcome_OUTCOME_CONTINUE, Session: "s", Offers: []string{"password"}}, nil
}

func (l *liar) Step(context.Context, *v1.StepRequest) (*v1.StepResponse, error) {
	return &v1.StepResponse{Outcome: v1.Outcome_OUTCOME_ALLOW, IdToken: l.id, SessionToken: l.session}, nil
}

func TestASignedAnswerToAnotherQuestionIsRefused(t *testing.T) {
	machine, account := uuid.New(), uuid.New()
	good := identity.SessionToken{
		Realm: "r", ID: uuid.New(), Account: account, Machine: machine, Methods: []identity.FactorKind{identity.Password},
		AuthenticatedAt: time.Now().Unix(), ExpiresAt: time.Now().Add(time.Hour).Unix(),
	}
	for sentence, c := range map[string]struct {
		ask     identity.Name
		lie     func(*identity.SessionToken)
		fetched bool
		allowed bool
	}{
		"the truth":                       {"alice", func(*identity.SessionToken) {}, true, true},
		"another account's token":         {"bob", func(*identity.SessionToken) {}, false, false},
		"a session for another machine":   {"alice", func(s *identity.SessionToken) { s.Machine = uuid.New() }, true, false},
		"a session for another account":   {"alice", func(s *identity.SessionToken) { s.Account = uuid.New() }, true, false},
		"a session that has expired":      {"alice", func(s *identity.SessionToken) { s.ExpiresAt = 1 }, true, false},
		"a session that proves nothing":   {"alice", func(s *identity.SessionToken) { s.Methods = nil }, true, false},
		"a session of another realm":      {"alice", func(s *identity.SessionToken) { s.Realm = "other" }, true, false},
		"a session that is not begun yet": {"alice", func(s *identity.SessionToken) { s.AuthenticatedAt += 7200 }, true, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := good
			c.lie(&s)
			p := lie(t, machine, account, &s)
			if _, err := p.Fetch(t.Context(), c.ask); (err == nil) != c.fetched || (err != nil && !errors.Is(err, provider.ErrUntrusted)) {
				t.Errorf("fetch: %v", err)
			}
			e, _, err := p.Begin(t.Context(), provider.Attempt{Name: c.ask})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := e.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret("x")})
			if (reply.Outcome == provider.Allow) != c.allowed || (err == nil) != c.allowed {
				t.Errorf("step: %+v %v", reply, err)
			}
			if again, err := e.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret("x")}); err != nil || again.Outcome != provider.Deny {
				t.Errorf("a second step: %+v %v", again, err)
			}
		})
	}
}

// lie starts a server that answers about alice whatever it is asked.
func lie(t *testing.T, machine, account uuid.UUID, session *identity.SessionToken) *sallyport.Provider {
	t.Helper()
	l := newLiar(t, account, session)
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(l))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(l))
	mux.Handle(sallyportv1connect.NewAuthenticationServiceHandler(l))
	return l.reached(t, mux, machine)
}

func newLiar(t *testing.T, account uuid.UUID, session *identity.SessionToken) *liar {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := identity.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{pub: pub}
	const id = 2_000_000_000
	l.id, err = signer.SignIDToken(&identity.IDToken{
		Realm: "r", State: identity.Active, ValidUntil: identity.Never,
		Account: identity.Account{UUID: account, Name: "alice", UID: id, GID: id, Home: "/home/alice", Shell: "/bin/sh"},
		Groups:  []identity.Group{{UUID: uuid.New(), Name: "alice", GID: id}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.session, err = signer.SignSessionToken(session); err != nil {
		t.Fatal(err)
	}
	return l
}

// reached is a provider of that machine, whose server answers by the handler.
func (l *liar) reached(t *testing.T, h http.Handler, machine uuid.UUID) *sallyport.Provider {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	_, machineKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, sallyport.Options{
		URL: s.URL, RootPEM: l.trusted(t, s),
		MachineKey: machineKey, MachineID: machine, Memory: &providertest.Memory{},
	})
}
