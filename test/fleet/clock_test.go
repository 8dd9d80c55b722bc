package fleet

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// asked is what monitoring hears at a socket.
func asked(t *testing.T, socket, path string) (code int, body string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Promise fleet-clock.
// Promise metrics-server.
func TestAServerWithAWrongClockAnswersNoMachine(t *testing.T) {
	b := servertest.New(t)
	b.Must(nil, b.Close())
	for what, c := range map[string]struct {
		off  time.Duration
		fits bool
	}{
		"the right time": {0, true}, "a little late": {-10 * time.Second, true}, "an hour late": {-time.Hour, false}, "an hour early": {time.Hour, false},
	} {
		socket := filepath.Join(t.TempDir(), "m.sock")
		ctx, end := context.WithCancel(t.Context())
		ready, served := make(chan string, 1), make(chan error, 1)
		go func() {
			served <- server.Serve(ctx, server.ServeOptions{
				Dir: string(b.Dir), Metrics: "unix:" + socket, Now: func() time.Time { return time.Now().Add(c.off) },
				Ready: func(a net.Addr, _ string) { ready <- "https://" + a.String() },
			})
		}()
		var url string
		select {
		case url = <-ready:
		case err := <-served:
			t.Fatal(err)
		}
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		_, err := sallyportv1connect.NewRealmServiceClient(h, url).Describe(t.Context(), &v1.DescribeRequest{})
		if fits := err == nil; fits != c.fits || !fits && connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: %v", what, err)
		}
		code, says := asked(t, socket, "/readyz")
		if (code == http.StatusOK) != c.fits || !c.fits && !strings.Contains(says, "clock") {
			t.Errorf("%s: readyz says %d %q", what, code, says)
		}
		if code, _ := asked(t, socket, "/healthz"); code != http.StatusOK {
			t.Errorf("%s: healthz says %d", what, code)
		}
		result := map[bool]string{true: "ok", false: "unavailable"}[c.fits]
		if _, numbers := asked(t, socket, "/metrics"); !strings.Contains(numbers, `sallyport_requests_total{code="`+result+`",procedure="/sallyport.v1.RealmService/Describe"} 1`) {
			t.Errorf("%s: the request is not counted", what)
		}
		h.CloseIdleConnections()
		end()
		b.Must(nil, <-served)
	}
}
