package serviceauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/serviceauth"
	"github.com/sallyport-auth/sallyport/test/identities"
	"github.com/sallyport-auth/sallyport/wire"
)

const secret = "the secret of this token, 32 b.."

func adas() serviceauth.Token {
	return serviceauth.NewToken("ada", "my phone/é", []byte(secret))
}

// answer is a verifier that knows one token.
type answer struct{ err error }

func (a answer) Verify(_ context.Context, t serviceauth.Token) (bool, error) {
	return t.Bearer() == adas().Bearer(), a.err
}

// service counts who comes through.
type service struct {
	identitypbconnect.UnimplementedIdentityServiceHandler
	mu   sync.Mutex
	came []serviceauth.Person
}

func (s *service) comes(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, _ := serviceauth.From(ctx)
	s.came = append(s.came, who)
}

func (s *service) ListDevices(ctx context.Context, _ *pb.ListDevicesRequest) (*pb.ListDevicesResponse, error) {
	s.comes(ctx)
	return &pb.ListDevicesResponse{}, nil
}

func (s *service) LoginUser(ctx context.Context, _ *connect.BidiStream[pb.LoginRequest, pb.LoginResponse]) error {
	s.comes(ctx)
	return nil
}

func (s *service) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.comes(r.Context())
}

// Promise identity-guard.
func TestOnlyWhomTheRealmVouchesForComesThrough(t *testing.T) {
	good := "Bearer " + adas().Bearer()
	for what, c := range map[string]struct {
		verifier serviceauth.Verifier
		headers  []string
		want     connect.Code // 0: through
	}{
		"a good token":            {answer{}, []string{good}, 0},
		"in small letters":        {answer{}, []string{"bearer" + strings.TrimPrefix(good, "Bearer")}, 0},
		"none":                    {answer{}, nil, connect.CodeUnauthenticated},
		"two":                     {answer{}, []string{good, good}, connect.CodeUnauthenticated},
		"another scheme":          {answer{}, []string{"Basic" + strings.TrimPrefix(good, "Bearer")}, connect.CodeUnauthenticated},
		"without a scheme":        {answer{}, []string{adas().Bearer()}, connect.CodeUnauthenticated},
		"another token":           {answer{}, []string{"Bearer " + serviceauth.NewToken("ada", "my phone/é", []byte("another")).Bearer()}, connect.CodeUnauthenticated},
		"no token":                {answer{}, []string{"Bearer a.b"}, connect.CodeUnauthenticated},
		"a yes beside a fault":    {answer{errors.New("away")}, []string{good}, connect.CodeUnavailable},
		"nobody who can be asked": {nil, []string{good}, connect.CodeUnavailable},
	} {
		t.Run(what, func(t *testing.T) {
			s := &service{}
			var log bytes.Buffer
			guard := serviceauth.Guard{Verifier: c.verifier, Log: slog.New(slog.NewTextHandler(&log, nil))}
			mux := http.NewServeMux()
			mux.Handle("/plain", guard.Handler(s))
			mux.Handle(identitypbconnect.NewIdentityServiceHandler(s, connect.WithInterceptors(guard.Interceptor())))
			server := httptest.NewUnstartedServer(mux)
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()

			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/plain", nil)
			must(t, err)
			req.Header["Authorization"] = c.headers
			resp, err := server.Client().Do(req)
			must(t, err)
			_ = resp.Body.Close()
			status := map[connect.Code]int{0: http.StatusOK, connect.CodeUnauthenticated: http.StatusUnauthorized, connect.CodeUnavailable: http.StatusServiceUnavailable}[c.want]
			if resp.StatusCode != status {
				t.Errorf("HTTP status %d, want %d", resp.StatusCode, status)
			}
			for _, grpc := range []connect.ClientOption{connect.WithGRPC(), connect.WithGRPCWeb(), connect.WithProtoJSON()} {
				client := identitypbconnect.NewIdentityServiceClient(server.Client(), server.URL, grpc)
				ctx, call := connect.NewClientContext(t.Context())
				call.RequestHeader()["Authorization"] = c.headers
				_, err := client.ListDevices(ctx, &pb.ListDevicesRequest{})
				wants(t, "a call", err, c.want)
			}
			client := identitypbconnect.NewIdentityServiceClient(server.Client(), server.URL, connect.WithGRPC())
			ctx, call := connect.NewClientContext(t.Context())
			call.RequestHeader()["Authorization"] = c.headers
			stream, err := client.LoginUser(ctx)
			must(t, err)
			_ = stream.CloseRequest()
			if _, err = stream.Receive(); c.want != 0 || !strings.HasSuffix(err.Error(), "EOF") {
				wants(t, "a stream", err, c.want)
			}
			_ = stream.CloseResponse()

			for _, who := range s.came {
				if who != (serviceauth.Person{User: "ada", Device: "my phone/é"}) {
					t.Errorf("%+v came through", who)
				}
			}
			if through := c.want == 0; (len(s.came) == 5) != through || (len(s.came) == 0) == through {
				t.Errorf("%d came through", len(s.came))
			}
			if strings.Contains(log.String(), secret) || strings.Contains(log.String(), adas().Bearer()) {
				t.Errorf("the log has the token: %s", &log)
			}
		})
	}
	if _, is := serviceauth.From(t.Context()); is {
		t.Error("there is somebody where no guard stood")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, what string, err error, code connect.Code) {
	t.Helper()
	if (code == 0) != (err == nil) || err != nil && connect.CodeOf(err) != code {
		t.Errorf("%s: %v, want %v", what, err, code)
	}
}

// Promise identity-token-unprinted.
func TestATokenDoesNotPrintItsSecret(t *testing.T) {
	token := adas()
	if read, err := serviceauth.ParseBearer(token.Bearer()); err != nil || read.Bearer() != token.Bearer() || read.Person != token.Person {
		t.Fatalf("%v, %v", read, err)
	}
	text, err := json.Marshal(token)
	must(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("a", "token", token, "pointer", &token)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("a", "token", token)
	all := fmt.Sprint(token, &token, []serviceauth.Token{token}) + fmt.Sprintf("%v %+v %#v %s %q %x %#v", token, token, token, token, token, token, &token) + string(text) + log.String()
	if strings.Contains(all, secret) || strings.Contains(all, fmt.Sprintf("%x", secret)) || strings.Contains(all, "116 104") || strings.Contains(all, "0x74, 0x68") {
		t.Error(all)
	}
}

// verdict is a daemon that gives one answer.
type verdict struct {
	sync.Mutex
	heard string
	says  any
	err   error
}

func (v *verdict) Handle(_ context.Context, _ identity.Peer, verb string, args []byte, emit func(any) error) error {
	v.Lock()
	defer v.Unlock()
	v.heard = verb + " " + string(args)
	if v.err != nil {
		return v.err
	}
	return emit(v.says)
}

// Promise identity-guard.
func TestTheDaemonIsAskedAboutTheToken(t *testing.T) {
	v := &verdict{}
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(socket, 0o600)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&control.Server{Operator: v, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	for what, c := range map[string]struct {
		says any
		err  error
		want bool
	}{
		"yes": {report.IdentityVerified{Valid: true}, nil, true}, "no": {report.IdentityVerified{}, nil, false},
		"nothing": {struct{}{}, nil, false}, "no answer": {nil, errors.New("away"), false},
	} {
		v.Lock()
		v.says, v.err = c.says, c.err
		v.Unlock()
		got, err := serviceauth.Daemon(socket).Verify(t.Context(), adas())
		if got != c.want || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	stop()
	must(t, <-done)
	if !strings.HasPrefix(v.heard, `identity verify {"name":"ada","device":"my phone/é","token":"`) {
		t.Error(v.heard)
	}
	if got, err := serviceauth.Daemon(socket).Verify(t.Context(), adas()); got || !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("without a daemon: %v, %v", got, err)
	}
}

// crowd says yes to one after the other, and counts how many ask at a time.
type crowd struct {
	asking, most     atomic.Int32
	arrived, answers chan struct{}
}

func (c *crowd) Handle(_ context.Context, _ identity.Peer, _ string, _ []byte, emit func(any) error) error {
	n := c.asking.Add(1)
	defer c.asking.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	c.arrived <- struct{}{}
	<-c.answers
	return emit(report.IdentityVerified{Valid: true})
}

// Promise serviceauth-crowd.
func TestABusyServiceIsNotTurnedAwayByItsDaemon(t *testing.T) {
	const callers, atOnce = 200, 8
	c := &crowd{arrived: make(chan struct{}), answers: make(chan struct{})}
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(socket, 0o600)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&control.Server{Operator: c, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	daemon := serviceauth.Daemon(socket)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if is, err := daemon.Verify(t.Context(), adas()); !is || err != nil {
				t.Errorf("%v, %v", is, err)
			}
		})
	}
	for range atOnce {
		<-c.arrived
	}
	for range callers - atOnce {
		c.answers <- struct{}{}
		<-c.arrived
	}
	close(c.answers)
	all.Wait()
	over, end := context.WithCancel(t.Context())
	end()
	if is, err := daemon.Verify(over, adas()); is || err == nil {
		t.Errorf("for a caller who is gone: %v, %v", is, err)
	}
	if n := c.most.Load(); n != atOnce {
		t.Errorf("%d at once", n)
	}
	stop()
	must(t, <-done)
}

// Promise identity-guard.
func TestAServiceIsAMachineOfTheRealm(t *testing.T) {
	r := identities.New(t)
	r.Person("ada")
	token := r.Token(r.Provider("laptop"), "ada", "phone")
	folder := filepath.Join(t.TempDir(), "new", "service")
	code, fingerprint := r.Code("service")
	if err := serviceauth.Join(t.Context(), folder, code, strings.Repeat("0", 64), r.URL); err == nil {
		t.Error("it joined whatever server")
	}
	must(t, serviceauth.Join(t.Context(), folder, code, fingerprint, r.URL))
	if err := serviceauth.Join(t.Context(), folder, code, fingerprint, r.URL); !errors.Is(err, serviceauth.ErrJoined) {
		t.Errorf("joined again: %v", err)
	}
	list, err := os.ReadDir(folder)
	must(t, err)
	for _, f := range list {
		if i, err := f.Info(); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), i.Mode(), err)
		}
	}
	c, err := serviceauth.Open(folder)
	must(t, err)
	defer c.Close()
	asks := func(user, device string, token []byte) bool {
		t.Helper()
		is, err := c.Verify(t.Context(), serviceauth.NewToken(user, device, token))
		must(t, err)
		return is
	}
	if len(list) != 3 || !asks("ada", "phone", token) || asks("ada", "laptop", token) || asks("eve", "phone", token) || asks("ada", "phone", token[:31]) {
		t.Errorf("%v: not ada's token on her phone alone is good", list)
	}
	r.Revoke("ada")
	if asks("ada", "phone", token) {
		t.Error("a revoked token is good")
	}
	r.Stop()
	if is, err := c.Verify(t.Context(), serviceauth.NewToken("ada", "phone", token)); is || err == nil || strings.Contains(err.Error(), string(token)) {
		t.Errorf("without a server: %v, %v", is, err)
	}
	if _, err := serviceauth.Open(t.TempDir()); err == nil {
		t.Error("an empty folder is a machine")
	}
}

func FuzzBearer(f *testing.F) {
	f.Add(adas().Bearer())
	f.Add("YQ.YQ.YQ")
	f.Add("YR.YQ.YQ")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := serviceauth.ParseBearer(text)
		if err == nil && (token.Bearer() != text || token.User == "" || token.Device == "") {
			t.Errorf("%q is %v", text, token)
		}
	})
}
