package fleet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// branch is a full server on a primary, and one that only reads on its standby.
type branch struct {
	*rig
	standby     *postgres.Server
	full, reads *Process
	id          string // of the one that only reads
}

// newBranch makes one. codes lets the branch check one-time codes.
func newBranch(t testing.TB, codes bool, lag time.Duration) *branch {
	t.Helper()
	b := &branch{rig: &rig{t: t}}
	var err error
	b.database, err = postgres.Start(t.Context())
	b.must(nil, err)
	t.Cleanup(func() { _ = b.database.Stop() })
	address := b.database.Realm(t)
	binary, err := Build(t.Context(), t.TempDir())
	b.must(nil, err)
	at := b.port()
	o := realm.InitOptions{Dir: filepath.Join(t.TempDir(), "full"), Realm: "example.org", Listen: at, OfflineDays: 14, Database: address, URL: "https://" + at}
	b.must(nil, realm.Init(t.Context(), o))
	b.full = &Process{Binary: binary, Dir: o.Dir, listen: at}
	b.standby, err = b.database.Standby(t.Context())
	b.must(nil, err)
	t.Cleanup(func() { _ = b.standby.Stop() })
	b.must(nil, b.full.Start(t.Context()))
	t.Cleanup(func() { _ = b.full.Kill() })
	o.SealKey, o.Dir, o.URL = b.full.SealKey(), filepath.Join(t.TempDir(), "administrator"), ""
	b.must(nil, realm.InitAnother(t.Context(), o))
	b.realm, err = realm.Open(t.Context(), realm.Dir(o.Dir), "", slog.New(slog.DiscardHandler), time.Now)
	b.must(nil, err)
	t.Cleanup(func() { _ = b.realm.Close() })
	e := auth.New(b.realm, time.Minute)
	b.admin = admin.New(b.realm, e, e)
	b.caughtUp()
	at = b.port()
	b.reads = &Process{Binary: binary, Dir: filepath.Join(t.TempDir(), "branch"), listen: at}
	request := filepath.Join(t.TempDir(), "request")
	b.must(b.reads.Admin(t.Context(), "", "init", "--read-only", request, "--database", b.standby.Same(address), "--listen", at, "--url", "https://"+at, "--max-lag", lag.String()))
	args := []string{"server", "admit", request, "--json"}
	if codes {
		args = append(args, "--codes")
	}
	text, err := os.ReadFile(request)
	b.must(nil, err)
	q := new(realm.ReaderRequest)
	b.must(nil, json.Unmarshal(text, q))
	b.id = q.ID.String()
	b.must(b.full.Admin(t.Context(), "", args...))
	b.caughtUp()
	b.must(nil, b.reads.Start(t.Context()))
	t.Cleanup(func() { _ = b.reads.Kill() })
	return b
}

// port is one that nobody listens at.
func (b *branch) port() string {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(nil, err)
	b.must(nil, l.Close())
	return l.Addr().String()
}

// caughtUp waits until the standby has all that the primary has.
func (b *branch) caughtUp() {
	b.t.Helper()
	b.must(nil, b.standby.Caught(b.t.Context(), b.database))
}

// machine joins one that knows both servers.
func (b *branch) machine(name string) *sallyport.Provider {
	b.t.Helper()
	m, err := b.admin.AddMachine(b.t.Context(), &v1.NameRequest{Name: name})
	b.must(nil, err)
	j, err := sallyport.Join(b.t.Context(), sallyport.Server{URL: b.full.URL}, m.GetCode(), m.GetFingerprint())
	b.must(nil, err)
	return b.open(j, b.full.URL, b.reads.URL)
}

// alone joins one that knows one server.
func (b *branch) alone(name, url string) *sallyport.Provider {
	b.t.Helper()
	m, err := b.admin.AddMachine(b.t.Context(), &v1.NameRequest{Name: name})
	b.must(nil, err)
	j, err := sallyport.Join(b.t.Context(), sallyport.Server{URL: b.full.URL}, m.GetCode(), m.GetFingerprint())
	b.must(nil, err)
	b.caughtUp()
	return b.open(j, url)
}

// open is a joined machine's provider.
func (b *branch) open(j sallyport.Joined, urls ...string) *sallyport.Provider {
	b.t.Helper()
	p, err := sallyport.New(sallyport.Options{
		URL: urls[0], Others: urls[1:], RootPEM: j.RootPEM, MachineKey: j.Key,
		MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{},
	})
	b.must(nil, err)
	b.t.Cleanup(func() { _ = p.Close() })
	return p
}

// countsOf reads how many failures and codes a row about a report counts.
func countsOf(action, detail string) (n int) {
	var failures, codes, ignored int
	if action != "server.report" {
		return 0
	}
	_, _ = fmt.Sscanf(detail, "failures=%d codes=%d ignored=%d", &failures, &codes, &ignored)
	return failures + codes
}
