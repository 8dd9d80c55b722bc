package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// get asks monitoring's socket.
func get(t *testing.T, socket, path string) (int, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://daemon"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestMonitoringOfADaemonSaysWhatStatusSays, and names nobody.
// Promise metrics-daemon.
func TestMonitoringOfADaemonSaysWhatStatusSays(t *testing.T) {
	m := newMachine(t)
	m.write("second.pem", nil)
	c := m.settings("file")
	socket := m.path("run/metrics.sock")
	c.Metrics.Listen = "unix:" + socket
	// The socket of control.sock is there before that of monitoring.
	m.servedBy(c, "second.pem")
	waitFor(t, socket)
	s, err := control.One[report.Status](t.Context(), control.Client{Path: m.path("run/control.sock")}, "status", nil)
	m.must(err)
	code, text := get(t, socket, "/metrics")
	for _, p := range s.Providers {
		if !strings.Contains(text, `sallyport_realm_online{realm="`+p.Realm+`"} `) || p.Realm == "" {
			t.Errorf("realm %q is not among the numbers", p.Realm)
		}
	}
	for _, want := range []string{"sallyport_accounts ", `sallyport_findings{severity="problem"} `, "go_goroutines "} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%q is not among the numbers (%d):\n%s", want, code, text)
		}
	}
	if strings.Contains(text, `realm_online{realm="second"} 1`) || strings.Contains(text, "bob") || strings.Contains(text, "https:") {
		t.Errorf("a realm that cannot be asked is online, or somebody is named:\n%s", text)
	}
	problem := false
	for _, f := range s.Findings {
		problem = problem || f.Severity == report.Problem
	}
	if code, text := get(t, socket, "/readyz"); (code == http.StatusOK) == problem {
		t.Errorf("there is a problem: %t, and ready is %d, %q", problem, code, text)
	}
}

// waitFor returns when somebody listens there.
func waitFor(t *testing.T, socket string) {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		if err == nil {
			_ = c.Close()
			return
		}
	}
}

// denies is an authority.
type denies struct{}

func (denies) Decide(context.Context, identity.Login, identity.Conversation) identity.Verdict {
	return identity.Verdict{Code: identity.Denied}
}

// TestADecisionIsCountedAndNotChanged: whoever asks, with whatever name, is one of few rows.
// Promise metrics-daemon.
func TestADecisionIsCountedAndNotChanged(t *testing.T) {
	m := newMonitor(nobodyOperates{})
	for _, name := range []string{"ada", "bob", "x\ny"} {
		if v := (counted{denies{}, m}).Decide(t.Context(), identity.Login{User: name, Service: name, Operation: identity.OpAuthenticate}, nil); v.Code != identity.Denied {
			t.Error(v)
		}
	}
	found, err := m.numbers.Gather()
	if err == nil {
		t.Error("status cannot be told, and no error says so")
	}
	rows := 0
	for _, f := range found {
		if f.GetName() == "sallyport_decisions_total" {
			rows = len(f.GetMetric())
			if n := f.GetMetric()[0].GetCounter().GetValue(); n != 3 {
				t.Errorf("%v of 3 are counted", n)
			}
		}
	}
	if rows != 1 {
		t.Errorf("%d rows", rows)
	}
}

type nobodyOperates struct{}

func (nobodyOperates) Handle(context.Context, identity.Peer, string, []byte, func(any) error) error {
	return report.ErrForbidden
}

// TestNoPlaceForMonitoringKeepsNobodyOut: the daemon serves, whatever is in the way.
// Promise metrics-daemon.
func TestNoPlaceForMonitoringKeepsNobodyOut(t *testing.T) {
	for _, address := range []string{"unix:" + filepath.Join(t.TempDir(), "absent", "m.sock"), "0.0.0.0:9477", "nonsense"} {
		m := newMachine(t)
		c := m.settings("file")
		c.Metrics.Listen = address
		if x := m.servedBy(c, "")("bob"); !x.MayLogin {
			t.Errorf("%s: bob is kept out: %+v", address, x)
		}
	}
}

// TestMonitoringByTheNetworkIsNoSoundSetting, before the daemon takes it over.
func TestMonitoringByTheNetworkIsNoSoundSetting(t *testing.T) {
	m := newMachine(t)
	for address, want := range map[string]bool{"": true, "unix:/run/sallyportd/metrics.sock": true, "127.0.0.1:9477": true, "0.0.0.0:9477": false, "unix:metrics.sock": false, "nonsense": false} {
		c := m.settings("file")
		c.Metrics.Listen = address
		if err := soundMetrics(c); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "[metrics] listen") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
