package test

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	appServer     = "127.0.0.1:8080"
	appPassphrase = "correct horse of the application"
	appValue      = "buy-bread-and-tell-nobody"
)

// recorder is somebody on the way, who keeps every byte.
type recorder struct {
	net.Listener
	mu   sync.Mutex
	seen strings.Builder
}

// record carries connections to the server by plain HTTP.
func record(t *testing.T) *recorder {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	p := &recorder{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.carry(t, c)
		}
	}()
	return p
}

func (p *recorder) carry(t *testing.T, c net.Conn) {
	defer func() { _ = c.Close() }()
	s, err := new(net.Dialer).DialContext(t.Context(), "tcp", appServer)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	go func() { _, _ = io.Copy(io.MultiWriter(s, p), c) }()
	_, _ = io.Copy(io.MultiWriter(c, p), s)
}

// Write implements io.Writer.
func (p *recorder) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Write(b)
}

func (p *recorder) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// apps runs "sallyport app" as the local person, who has no account of the realm.
func apps(t *testing.T, r *machine.Realm, stdin, words string) machine.Outcome {
	t.Helper()
	o, err := r.RunAs(t.Context(), local, "printf '"+stdin+"' | sallyport app "+words)
	must(t, err)
	return o
}

// Promise application-unseen.
func TestAnApplicationWorksByPlainHTTPAndNobodyOnTheWaySeesWhat(t *testing.T) {
	r := bare(t)
	must(t, r.StartServer(t.Context()))
	must(t, r.AddPerson(t.Context(), ada, adaPass, adaKey+".pub", "writers"))
	must(t, r.Server.Stop(t.Context()))
	p, err := r.Start(t.Context(), "/usr/sbin/sallyport-server", "serve", "--dir", machine.ServerDir, "--applications-listen", appServer)
	must(t, err)
	r.Server = p
	must(t, p.Output.Wait(t.Context(), "ready on"))
	admin(t, r, "", "application", "set", "--enabled", "yes")
	admin(t, r, "", "application", "add", "notes", "--to", "/srv/shipped")
	admin(t, r, "", "resource", "grant", "notes", "writers", "--may", "create,read,update,delete")
	script(t, r, `chown -R `+local+` /srv/shipped`)
	var invited struct {
		Code string `json:"code"`
	}
	must(t, json.Unmarshal([]byte(admin(t, r, "", "application", "invite", ada, "--json")), &invited))

	way := record(t)
	const once, twice = appPassphrase + `\n`, appPassphrase + `\n` + appPassphrase + `\n`
	wantsScreen(t, apps(t, r, "", "init --shipped /srv/shipped --server http://"+way.Addr().String()), 0, "realm "+machine.RealmName)
	wantsScreen(t, apps(t, r, twice, "register --code "+invited.Code), 0, "Registered as ada.")
	wantsScreen(t, apps(t, r, twice, "register --code "+invited.Code), 1, "refused (code)")
	wantsScreen(t, apps(t, r, once, "create notes/today "+appValue), 0, "notes/today has revision 1.")
	wantsScreen(t, apps(t, r, once, "read notes/today"), 0, appValue)
	wantsScreen(t, apps(t, r, once, "read other/today"), 1, "refused (permission)")
	wantsScreen(t, apps(t, r, once, "update notes/today "+appValue+"-now --revision 1"), 0, "notes/today has revision 2.")
	wantsScreen(t, apps(t, r, once, "delete notes/today --revision 2"), 0, "notes/today is deleted.")

	log := admin(t, r, "", "audit", "--json")
	for _, action := range []string{"application.hello", "application.person.key", "application.job", "application.resolve"} {
		if !strings.Contains(log, action) {
			t.Errorf("the audit log has no %s", action)
		}
	}
	seen := way.all()
	if strings.Count(seen, "POST /applications/v1") != 14 {
		t.Errorf("%d messages went by", strings.Count(seen, "POST /applications/v1"))
	}
	state := `/home/` + local + `/.local/state/sallyport`
	script(t, r, `ls -d `+state)
	for what, secret := range map[string]string{"the passphrase": appPassphrase, "the code": invited.Code, "the value": appValue} {
		for where, text := range map[string]string{"on the way": seen, "in the server's journal": r.Server.Output.String(), "in the audit log": log} {
			if strings.Contains(text, secret) {
				t.Errorf("%s stands %s", what, where)
			}
		}
		places := state + ` /var/log`
		if what != "the value" { // values are the database's, docs/applications.md
			places += ` ` + machine.ServerDir
		}
		if found := script(t, r, `grep -rlaF -e '`+secret+`' `+places+` 2>/dev/null || true`); strings.TrimSpace(found) != "" {
			t.Errorf("%s stands in %s", what, found)
		}
	}
}
