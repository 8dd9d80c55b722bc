package clients

import (
	"strings"
	"testing"
)

// A machine that reaches its server by an HTTP proxy alone joins and logs people in
// through it, and is offline while the proxy is gone.
// Promise clients-proxy.
func TestAMachineBehindAProxyWorksAsAnyOther(t *testing.T) {
	h := joined(t, wants{
		proxy: "http://127.0.0.1:8888",
		files: map[string]string{"/etc/tinyproxy/tinyproxy.conf": "Port 8888\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort 8443\nLogLevel Connect\nUser tinyproxy\nGroup tinyproxy\nMaxClients 20\n"},
	})
	enters := func(who, word string) {
		h.t.Helper()
		h.in("echo '" + word + "' | sallyport auth-test " + who + " --service login")
	}
	h.scene("it has joined by the proxy", func() {
		if out := h.in("journalctl -b -u tinyproxy --no-pager -o cat"); !strings.Contains(out, "CONNECT 127.0.0.1:8443") {
			h.t.Errorf("the proxy has not been asked:\n%s", out)
		}
	})
	h.scene("people sign in", func() {
		enters(ada, adaPass)
		enters(carol, carolPas+h.code())
		if out, err := h.In(t.Context(), "echo 'a guess' | sallyport auth-test ada --service login"); err == nil {
			h.t.Errorf("a wrong password is right:\n%s", out)
		}
	})
	h.scene("the proxy is gone: offline", func() {
		h.in("systemctl stop tinyproxy")
		h.untilIn(`sallyport status --json | grep -q '"state": "offline"'`)
		enters(ada, adaPass)
		enters(carol, carolPas+h.code())
		if out := h.in("sallyport status || true"); !strings.Contains(out, "proxy") {
			h.t.Errorf("status says nothing of the proxy:\n%s", out)
		}
	})
	h.scene("the proxy is back: online", func() {
		h.in("systemctl start tinyproxy")
		h.online()
		enters(ada, adaPass)
	})
	h.scene("the proxy refuses the server's port: offline", func() {
		h.in("sed -i 's/8443/443/' /etc/tinyproxy/tinyproxy.conf; systemctl restart tinyproxy")
		h.untilIn(`sallyport status --json | grep -q '"state": "offline"'`)
		if out := h.in("sallyport status || true"); !strings.Contains(out, "proxy") {
			h.t.Errorf("status says nothing of the proxy:\n%s", out)
		}
	})
}
