package partner_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/partner"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/server/verification"
)

// side is one of two realms, with a server on loopback. Its people are those of the bench.
type side struct {
	*servertest.Bench
	url    string
	puller *partner.Puller
	verify *verification.Service
	// answers is used in place of the realm's own PartnerService.
	answers atomic.Pointer[pull]
	log     logged
	others  []*side      // whose clocks go with its own
	end     func() error // closes its listener
}

type pull func(context.Context, *v1.PullRequest) (*v1.PullResponse, error)

func (s *side) Pull(ctx context.Context, req *v1.PullRequest) (*v1.PullResponse, error) {
	return (*s.answers.Load())(ctx, req)
}

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

func newSide(t *testing.T, name string) *side {
	t.Helper()
	return serving(t, servertest.Of(t, name))
}

// inFile is one in a file, on whatever database the tests are run: of one whose own tables they
// are not about.
func inFile(t *testing.T, name string) *side {
	t.Helper()
	return serving(t, servertest.OfFile(t, name))
}

func serving(t *testing.T, b *servertest.Bench) *side {
	t.Helper()
	s := &side{Bench: b}
	s.serve(t, "127.0.0.1:0")
	return s
}

// serve serves the open realm at that address.
func (s *side) serve(t *testing.T, address string) {
	t.Helper()
	s.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.puller, s.verify = partner.NewPuller(s.Realm), verification.New(s.Realm)
	own := pull(partner.New(s.Realm).Pull)
	s.answers.Store(&own)
	s.url, s.end = s.listens(t, address, s)
}

// listens answers at an address what this realm answers, with another one's certificate. end
// closes it.
func (s *side) listens(t *testing.T, address string, as *side) (url string, end func() error) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(s.Realm))
	mux.Handle(sallyportv1connect.NewPartnerServiceHandler(s))
	l, err := net.Listen("tcp", address)
	s.Must(nil, err)
	h := &http.Server{
		Handler: realm.WithCallers(mux), TLSConfig: &tls.Config{GetCertificate: as.GetCertificate, MinVersion: tls.VersionTLS13},
		ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go func() { _ = h.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = h.Close() })
	return "https://" + l.Addr().String(), h.Close
}

// trusts makes another realm a partner.
func (s *side) trusts(o *side) {
	s.T.Helper()
	s.Must(s.Admin.AddPartner(s.T.Context(), s.adding(o)))
	s.others = append(s.others, o)
}

func (s *side) adding(o *side) *v1.AddPartnerRequest {
	return &v1.AddPartnerRequest{Realm: o.Name, Urls: []string{o.url}, Fingerprint: o.Keys().GetFingerprint()}
}

// two are realms that trust each other: alice of a and bob of b have keys, and partners are told.
func two(t *testing.T) (a, b *side) {
	t.Helper()
	return newSide(t, "a.example").and(newSide(t, "b.example"))
}

// asking are such ones, of which the tables of a are of interest.
func asking(t *testing.T) (a, b *side) {
	t.Helper()
	return newSide(t, "a.example").and(inFile(t, "b.example"))
}

// answering are such ones, of which the tables of b are of interest.
func answering(t *testing.T) (a, b *side) {
	t.Helper()
	return inFile(t, "a.example").and(newSide(t, "b.example"))
}

func (a *side) and(b *side) (*side, *side) {
	t := a.T
	t.Helper()
	b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob", FullName: "Bob Smith"}))
	a.trusts(b)
	b.trusts(a)
	a.opts("alice", true)
	b.opts("bob", true)
	return a, b
}

// opts has somebody set a new key.
func (s *side) opts(name string, partners bool) (public []byte) {
	s.T.Helper()
	private, err := verify.NewKey()
	s.Must(nil, err)
	public, err = verify.Public(private)
	s.Must(nil, err)
	s.key(name, public, partners)
	return public
}

// key has somebody set that key.
func (s *side) key(name string, public []byte, partners bool) {
	s.T.Helper()
	signed := s.Signed(s.Proved(name, identity.PurposeOfVerifyKey(public, partners)))
	s.Must(s.verify.SetVerifyKey(s.Call(), &v1.SetVerifyKeyRequest{SessionToken: signed, PublicKey: public, Partners: partners}))
}

// asks has whoever is due asked, once the time for that has come.
func (s *side) asks() {
	s.T.Helper()
	s.pass(301)
	s.puller.Start(s.T.Context())()
}

// pass lets so many seconds pass.
func (s *side) pass(seconds int64) {
	s.Unix.Add(seconds)
	for _, o := range s.others {
		o.Unix.Store(s.Unix.Load())
	}
}

// both ask each other.
func both(a, b *side) {
	a.asks()
	b.puller.Start(b.T.Context())()
}

// finds asks for somebody of the other realm.
func (s *side) finds(account, name, of string) (*v1.VerifyPerson, error) {
	s.T.Helper()
	resp, err := s.verify.FindVerifyPerson(s.Call(), &v1.FindVerifyPersonRequest{Account: account, Name: name, Realm: of})
	return resp.GetPerson(), err
}

// shows is a partner as administrators see it.
func (s *side) shows(name string) *v1.PartnerView {
	s.T.Helper()
	v, err := s.Admin.ShowPartner(s.T.Context(), servertest.Named(name))
	s.Must(nil, err)
	return v
}

// alarms are the kinds of those about a partner.
func (s *side) alarms(name string) (kinds string) {
	for _, a := range s.shows(name).GetAlarms() {
		kinds += a.GetKind() + " "
	}
	return strings.TrimSpace(kinds)
}

// rows counts those of the audit log with that action.
func (s *side) rows(action string) (n int) {
	s.T.Helper()
	s.Must(nil, s.Store.Read(s.T.Context(), func(tx *store.Tx) error {
		return tx.Audit(0, time.Time{}, 1_000_000, func(e store.Entry) error {
			if e.Action == action {
				n++
			}
			return nil
		})
	}))
	return n
}
