package directory

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// served is a directory with machines that watch it.
type served struct {
	*servertest.Bench
	d       *Directory
	url     string
	handler http.Handler

	mu    sync.Mutex
	calls map[string]realm.Caller
}

func newServed(t *testing.T) *served {
	s := &served{Bench: servertest.New(t), calls: make(map[string]realm.Caller)}
	s.Must(nil, s.BeginHistory(t.Context()))
	ending := make(chan struct{})
	s.d = New(s.Realm, ending)
	_, h := sallyportv1connect.NewDirectoryServiceHandler(s.d)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		c := s.calls[r.Header.Get("Machine")]
		s.mu.Unlock()
		h.ServeHTTP(w, r.WithContext(realm.WithCaller(r.Context(), c)))
	})
	web := httptest.NewServer(s.handler)
	s.url = web.URL
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(ending) })
	return s
}

// joined joins a machine that knows that form of tokens.
func (s *served) joined(name string, forms int) {
	s.T.Helper()
	_, ctx := s.Machine(identity.Name(name))
	c := realm.CallerOf(ctx)
	c.Forms = forms
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name] = c
}

// stream is a change stream that a test reads.
type stream struct {
	s *served
	*connect.ServerStreamForClient[v1.WatchResponse]
	history  []byte
	position uint64
}

func (s *served) watch(name string, from *stream) *stream {
	s.T.Helper()
	ctx, end := context.WithTimeout(s.T.Context(), 30*time.Second)
	s.T.Cleanup(end)
	req := &v1.WatchRequest{}
	if from != nil {
		req.History, req.Position = from.history, from.position
	}
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("Machine", name)
	w, err := sallyportv1connect.NewDirectoryServiceClient(http.DefaultClient, s.url).Watch(ctx, req)
	s.Must(nil, err)
	s.T.Cleanup(func() { _ = w.Close() })
	return &stream{s: s, ServerStreamForClient: w}
}

// next is the next message that is no heartbeat, nil at the end.
func (w *stream) next() *v1.WatchResponse {
	for w.Receive() {
		if m := w.Msg(); m.GetAlive() == nil && m.GetEvent() != nil {
			w.history, w.position = m.GetHistory(), m.GetPosition()
			return m
		}
	}
	return nil
}

// caughtUp reads up to the present.
func (w *stream) caughtUp() *stream {
	w.s.T.Helper()
	for m := w.next(); m.GetCaughtUp() == nil; m = w.next() {
		if m == nil {
			w.s.T.Fatal("the stream ends:", w.Err())
		}
	}
	return w
}

// changed is the token of the next message, which must be a change.
func (w *stream) changed() (t *identity.IDToken) {
	w.s.T.Helper()
	m := w.next()
	if m.GetChanged() == nil {
		w.s.T.Fatalf("no change but %v: %v", m, w.Err())
	}
	w.s.Must(nil, w.s.Store.Read(w.s.T.Context(), func(tx *store.Tx) (err error) {
		t, err = w.s.SignedHere(tx, m.GetChanged())
		return err
	}))
	return t
}

func (s *served) disableAlice(yes bool) {
	s.T.Helper()
	s.Must(s.Admin.SetAccountState(s.T.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: yes}))
}

// TestStreamsReadNothingForAChange: while no stream may read the database, each change comes
// to all of them, and a machine that joins or leaves disturbs nobody.
// Promise stream-shared.
func TestStreamsReadNothingForAChange(t *testing.T) {
	s := newServed(t)
	s.joined("leaves", formsOfToday)
	var all []*stream
	for range 40 {
		name := uuid.NewString()[:8]
		s.joined("m"+name, formsOfToday)
		all = append(all, s.watch("m"+name, nil).caughtUp())
	}
	s.disableAlice(true) // the machines are in the feed's table
	for _, w := range all {
		w.changed()
	}
	for range cap(s.d.gate) {
		s.d.gate <- struct{}{}
	}
	for i := range 4 {
		if i == 2 {
			s.Must(s.Admin.RemoveMachine(t.Context(), servertest.Named("leaves")))
		}
		s.disableAlice(i%2 == 1)
		for _, w := range all {
			if got := w.changed(); got.Account.Name != "alice" || (got.State == identity.Disabled) != (i%2 == 1) {
				t.Fatalf("change %d: %s is %v", i, got.Account.Name, got.State)
			}
		}
	}
}

// Promise stream-cut-off.
func TestAMachineThatIsOutIsCutOffFromTheFeed(t *testing.T) {
	s := newServed(t)
	for sentence, c := range map[string]struct {
		do   func(context.Context, *v1.NameRequest) error
		code connect.Code
	}{
		"removed": {func(ctx context.Context, r *v1.NameRequest) error {
			_, err := s.Admin.RemoveMachine(ctx, r)
			return err
		}, connect.CodeUnauthenticated},
		"quarantine": {func(ctx context.Context, r *v1.NameRequest) error {
			_, err := s.Admin.QuarantineMachine(ctx, r)
			return err
		}, connect.CodePermissionDenied},
	} {
		s.joined(sentence, formsOfToday)
		w := s.watch(sentence, nil).caughtUp()
		s.Must(nil, c.do(t.Context(), servertest.Named(sentence)))
		if m := w.next(); m != nil || connect.CodeOf(w.Err()) != c.code {
			t.Errorf("%s: %v, %v", sentence, m, w.Err())
		}
	}
}

// Promise machine-scope.
func TestAScopedMachineHearsNothingFromTheRing(t *testing.T) {
	s := newServed(t)
	s.Must(s.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "crew"}))
	s.joined("scoped", formsOfToday)
	s.joined("free", formsOfToday)
	scoped, free := s.watch("scoped", nil).caughtUp(), s.watch("free", nil).caughtUp()
	s.disableAlice(true)
	scoped.changed()
	free.changed()
	s.Must(s.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "scoped", Scope: &v1.Scope{Groups: []string{"crew"}}}))
	s.disableAlice(false)
	free.changed() // it is in the ring
	if m := scoped.next(); m.GetReset_() == nil {
		t.Fatalf("it is told %v", m)
	}
	var at uint64
	s.Must(nil, s.Store.Read(t.Context(), func(tx *store.Tx) (err error) { at, err = tx.Position(); return err }))
	again := s.watch("scoped", &stream{history: scoped.history, position: at}).caughtUp()
	s.disableAlice(true)
	free.changed()
	if m := again.next(); m.GetGone() == "" {
		t.Errorf("somebody beyond its scope: %v", m)
	}
}

// Promise release-token-form.
func TestTheFeedSignsInTheFormOfEachMachine(t *testing.T) {
	s := newServed(t)
	s.joined("old", 0)
	s.joined("new", formsOfToday)
	newer := s.watch("new", nil).caughtUp()
	s.disableAlice(true) // nobody of the old form is there yet
	newer.changed()
	older := s.watch("old", &stream{history: newer.history, position: newer.position - 1})
	if got := older.changed(); got.History != uuid.Nil {
		t.Error("from the database: a field that it refuses")
	}
	older.caughtUp()
	s.disableAlice(false)
	if got := older.changed(); got.History != uuid.Nil {
		t.Error("from the feed: a field that it refuses")
	}
	if got := newer.changed(); got.History == uuid.Nil {
		t.Error("a machine that understands it is not told the history")
	}
}

// Promise stream-shared.
func TestAHistoryThatBeginsMeanwhileLosesNoChange(t *testing.T) {
	s := newServed(t)
	s.joined("m", formsOfToday)
	w := s.watch("m", nil).caughtUp()
	before := uuid.UUID(w.history)
	for i := range 3 {
		s.Must(nil, s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Begin(store.Started, "a test", 0, s.Now())
			return err
		}))
		s.disableAlice(i%2 == 0)
		if got := w.changed(); got.Account.Name != "alice" || (got.State == identity.Disabled) != (i%2 == 0) {
			t.Fatalf("%s is %v", got.Account.Name, got.State)
		}
		if uuid.UUID(w.history) == before {
			t.Error("the stream goes on in the history of before")
		}
		before = uuid.UUID(w.history)
	}
}

// pipes is a listener whose connections have no buffer: what is not read is not written.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// Promise stream-slow.
func TestASlowReaderIsCutOffAndHoldsUpNobody(t *testing.T) {
	s := newServed(t)
	s.d.slow = time.Millisecond
	var said bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&said, nil))
	s.joined("slow", formsOfToday)
	s.joined("quick", formsOfToday)
	quick := s.watch("quick", nil).caughtUp()
	over := make(chan struct{})
	p := make(pipes, 1)
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		s.handler.ServeHTTP(w, r)
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(p) }()
	t.Cleanup(func() { close(p); _ = web.Close() })
	here, there := net.Pipe()
	p <- there
	head := "POST " + sallyportv1connect.DirectoryServiceWatchProcedure + " HTTP/1.1\r\nHost: pipe\r\nMachine: slow\r\nContent-Type: application/connect+proto\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00"
	s.Must(here.Write([]byte(head)))
	for i := range 3 { // nobody waits for it
		s.disableAlice(i%2 == 0)
		quick.changed()
	}
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		t.Fatal("a machine that reads nothing keeps its stream")
	}
	if !strings.Contains(said.String(), "does not read its change stream") || !strings.Contains(said.String(), "machine=slow") {
		t.Errorf("the log says %q", said.String())
	}
	// It comes again, and hears all.
	if got := s.watch("slow", nil).caughtUp(); got.position != quick.position {
		t.Errorf("it knows up to %d, others up to %d", got.position, quick.position)
	}
}
