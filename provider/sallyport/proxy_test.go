package sallyport_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/trouble"
)

// forward is an HTTP proxy that connects for whoever asks, unless it refuses.
type forward struct {
	refuse    atomic.Int32 // with that status
	connected atomic.Int32
	mu        sync.Mutex
	asked     []string
}

func (f *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.Host)
	f.mu.Unlock()
	if status := int(f.refuse.Load()); status != 0 {
		w.WriteHeader(status)
		return
	}
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	f.connected.Add(1)
	go func() { io.Copy(there, buffered); there.Close() }()
	io.Copy(here, there)
	here.Close()
}

func TestAServerIsReachedByAProxyAndByNothingElse(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	f := &forward{}
	proxy := httptest.NewServer(f)
	address := strings.TrimPrefix(proxy.URL, "http://")
	m, err := r.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "behind"})
	if err != nil {
		t.Fatal(err)
	}
	j, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url, Proxy: address}, m.GetCode(), m.GetFingerprint())
	if err != nil {
		t.Fatal(err)
	}
	o := sallyport.Options{URL: r.url, Proxy: address, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{}}
	if _, err := open(t, o).Fetch(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(r.url, "https://")
	for _, a := range f.asked {
		if a != "CONNECT "+host {
			t.Errorf("the proxy was asked %q", a)
		}
	}
	if f.connected.Load() < 3 { // look, join, fetch
		t.Errorf("only %d connections by the proxy", f.connected.Load())
	}

	caused := func(sentence string, want trouble.ID, words ...string) {
		t.Helper()
		_, err := open(t, o).Fetch(t.Context(), "alice")
		var c *provider.CauseError
		if !errors.As(err, &c) || c.Cause != want || !errors.Is(err, provider.ErrOffline) {
			t.Errorf("%s: %v", sentence, err)
			return
		}
		for _, w := range words {
			if d := c.Finding(r.url).Detail; !strings.Contains(d, w) {
				t.Errorf("%s: not %q: %s", sentence, w, d)
			}
		}
	}
	f.refuse.Store(http.StatusProxyAuthRequired)
	caused("a proxy that wants a password", trouble.ProxyRefuses, address, host, "407 Proxy Authentication Required")
	f.refuse.Store(http.StatusForbidden)
	caused("a proxy that forbids it", trouble.ProxyRefuses, "403 Forbidden")
	proxy.CloseClientConnections()
	proxy.Close()
	caused("a proxy that is gone", trouble.ProxyDown, address, "connection refused")
}
