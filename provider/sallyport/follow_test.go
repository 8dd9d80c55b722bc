package sallyport_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// inUse is the address of the server that is used.
func inUse(m *sallyport.Provider) string {
	for _, s := range m.Servers() {
		if s.InUse {
			return s.URL
		}
	}
	return ""
}

// at waits until the machine uses that server.
func (p *pair) at(m *sallyport.Provider, f *providertest.Front) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); inUse(m) != f.URL(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("it uses %s, not %s: %+v", inUse(m), f.URL(), m.Servers())
		}
	}
}

func (p *pair) disable(name string, is bool) {
	p.t.Helper()
	p.do(p.admin.SetAccountState(p.t.Context(), &v1.SetAccountStateRequest{Name: name, Disabled: is}))
}

// Promise servers-stream.
func TestTheChangeStreamGoesOnAtAnotherServerAndReturns(t *testing.T) {
	for sentence, goes := range map[string]func(*providertest.Front){"cut off": (*providertest.Front).Cut, "it hangs": (*providertest.Front).Stall, "no answers": (*providertest.Front).Silence} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.account("alice")
			p.o.Timeouts = sallyport.Timeouts{Silence: 3 * time.Second, Return: 50 * time.Millisecond}
			m := open(t, p.o)
			_, from := p.listed(m)
			w := watch(t, m, from)
			last := from
			// changes makes one, and sees it come next, with nothing in between but that all is well.
			changes := func(is bool, meanwhile func()) {
				t.Helper()
				if meanwhile != nil {
					meanwhile()
				}
				p.disable("alice", is)
				e := w.until("the change", func(e provider.Event) bool {
					if e.Kind == provider.Reset || e.Kind == provider.Gone || e.Duplicated {
						t.Errorf("there came %+v", e)
					}
					return e.Kind == provider.Changed
				})
				if e.Position.History != last.History || e.Position.Revision <= last.Revision {
					t.Errorf("from %+v to %+v", last, e.Position)
				}
				last = e.Position
			}
			w.until("the present", caughtUp)
			p.at(m, p.first)
			changes(true, nil)
			changes(false, func() { goes(p.first) })
			p.at(m, p.second)
			changes(true, nil)
			p.first.Restore()
			p.at(m, p.first)
			changes(false, nil)
			goes(p.second)
			changes(true, nil)
			p.at(m, p.first)
		})
	}
}

// Promise servers-stream.
func TestAStreamEndsWhenNoServerIsLeft(t *testing.T) {
	p := newPair(t)
	m := open(t, p.o)
	_, from := p.listed(m)
	w := watch(t, m, from)
	w.until("the present", caughtUp)
	p.second.Cut()
	p.first.Cut()
	if err := w.ends(); !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("it ends with %v", err)
	}
	p.second.Restore()
	watch(t, m, from).until("the present", caughtUp)
	p.at(m, p.second)
}

// Promise servers-stream.
func TestAListIsGivenByOneServer(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	p.account("bob")
	m := open(t, p.o)
	p.first.Cut()
	if names, _ := p.listed(m); len(names) != 2 {
		t.Errorf("listed: %v", names)
	}
}

// halfLister gives half of a list at its first address, and a whole one at the other.
type halfLister struct {
	*liar
	lists atomic.Int64
}

func (l *halfLister) ListIDTokens(_ context.Context, _ *v1.ListIDTokensRequest, out *connect.ServerStream[v1.ListIDTokensResponse]) error {
	first := l.lists.Add(1) == 1
	if err := out.Send(&v1.ListIDTokensResponse{IdTokens: [][]byte{l.id}, Done: !first}); err != nil {
		return err
	}
	if first {
		return connect.NewError(connect.CodeUnavailable, errors.New("going away"))
	}
	return nil
}

// A list that breaks off is begun anew by whoever wants it, and not put together of two: an
// account that was removed in between would stay.
// Promise servers-stream.
func TestAListIsNotPutTogetherOfTwo(t *testing.T) {
	account := uuid.New()
	l := &halfLister{liar: newLiar(t, account, &identity.SessionToken{Realm: "r", ID: uuid.New(), Account: account, Machine: uuid.New()})}
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(l))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(l))
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	m := open(t, sallyport.Options{
		URL: providertest.NewFront(t, s.URL).URL(), Others: []string{s.URL}, RootPEM: l.trusted(t, s),
		MachineKey: newKey(t), MachineID: uuid.New(), Memory: &providertest.Memory{},
	})
	seen := 0
	list := func() error {
		_, err := m.List(within(t), func(provider.Record) error { seen++; return nil })
		return err
	}
	var lost *provider.AnewError
	if err := list(); !errors.As(err, &lost) || seen != 1 {
		t.Errorf("half a list: %d accounts, %v", seen, err)
	}
	if err := list(); err != nil || seen != 2 {
		t.Errorf("the next list: %d accounts in all, %v", seen, err)
	}
}

// cardServer gives challenges and counts who asks for an answer.
type cardServer struct {
	sallyportv1connect.UnimplementedCardServiceHandler
	name    string
	answers atomic.Int64
}

func (c *cardServer) GetCertificate(context.Context, *v1.GetCertificateRequest) (*v1.GetCertificateResponse, error) {
	return &v1.GetCertificateResponse{Status: v1.GetCertificateResponse_STATUS_OK, Challenge: []byte(c.name)}, nil
}

func (c *cardServer) AnswerChallenge(context.Context, *v1.AnswerChallengeRequest) (*v1.AnswerChallengeResponse, error) {
	c.answers.Add(1)
	return &v1.AnswerChallengeResponse{Status: v1.AnswerChallengeResponse_STATUS_OK}, nil
}

// A server knows the challenges that it gave itself, and no other does.
// Promise servers-login.
func TestACardServicesChallengeIsAnsweredWhereItWasGiven(t *testing.T) {
	account := uuid.New()
	l := newLiar(t, account, &identity.SessionToken{Realm: "r", ID: uuid.New(), Account: account, Machine: uuid.New()})
	var servers []*httptest.Server
	var cards []*cardServer
	for _, name := range []string{"first", "second"} {
		c := &cardServer{name: name}
		mux := http.NewServeMux()
		mux.Handle(sallyportv1connect.NewRealmServiceHandler(l))
		mux.Handle(sallyportv1connect.NewCardServiceHandler(c))
		s := httptest.NewUnstartedServer(mux)
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		servers, cards = append(servers, s), append(cards, c)
	}
	first := providertest.NewFront(t, servers[0].URL)
	var later atomic.Int64
	m := open(t, sallyport.Options{
		URL: first.URL(), Others: []string{servers[1].URL}, RootPEM: l.trusted(t, servers[0]), MachineKey: newKey(t), MachineID: uuid.New(),
		Memory: &providertest.Memory{}, Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
	})
	first.Cut()
	offer, err := m.CardCertificate(within(t))
	if err != nil || string(offer.Challenge) != "second" {
		t.Fatal(offer, err)
	}
	first.Restore()
	later.Store(int64(time.Minute)) // the first is due to be tried again
	if _, err := m.CardChallenge(within(t), identity.CardServiceClaim{CardServiceExchange: identity.CardServiceExchange{Challenge: offer.Challenge}}); err != nil || cards[1].answers.Load() != 1 {
		t.Errorf("the second was asked %d times, the first %d times: %v", cards[1].answers.Load(), cards[0].answers.Load(), err)
	}
	if offer, err = m.CardCertificate(within(t)); err != nil || string(offer.Challenge) != "first" {
		t.Errorf("the next one is given by %q: %v", offer.Challenge, err)
	}
}
