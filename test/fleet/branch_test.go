package fleet

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// branch is a full server on a primary, and one that only reads on its standby.
type branch struct {
	*rig
	standby     *postgres.Server
	full, reads *Process
	id          string // of the one that only reads
}

// newBranch makes one. codes lets the branch check one-time codes; words are further ones
// for its init.
func newBranch(t testing.TB, codes bool, lag time.Duration, words ...string) *branch {
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
	b.admin = admin.New(b.realm, e, e, request.New(b.realm, nil))
	b.caughtUp()
	at = b.port()
	b.reads = &Process{Binary: binary, Dir: filepath.Join(t.TempDir(), "branch"), listen: at}
	request := filepath.Join(t.TempDir(), "request")
	b.must(b.reads.Admin(t.Context(), "", append([]string{
		"init", "--read-only", request, "--database", b.standby.Same(address), "--listen", at, "--url", "https://" + at, "--max-lag", lag.String(),
	}, words...)...))
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
	return b.open(b.join(name), b.full.URL, b.reads.URL)
}

// joined joins one that knows those servers, once the standby knows it.
func (b *branch) joined(name string, urls ...string) *sallyport.Provider {
	b.t.Helper()
	j := b.join(name)
	b.caughtUp()
	return b.open(j, urls...)
}

func (b *branch) join(name string) sallyport.Joined {
	b.t.Helper()
	m, err := b.admin.AddMachine(b.t.Context(), &v1.NameRequest{Name: name})
	b.must(nil, err)
	j, err := sallyport.Join(b.t.Context(), sallyport.Server{URL: b.full.URL}, m.GetCode(), m.GetFingerprint())
	b.must(nil, err)
	return j
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

// readsKey is the branch's own key, as a thief has it.
func (b *branch) readsKey() *identity.Signer {
	b.t.Helper()
	s, err := identity.NewSigner(b.stolen())
	b.must(nil, err)
	return s
}

func (b *branch) stolen() ed25519.PrivateKey {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.reads.Dir, "server.key"))
	b.must(nil, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	b.must(nil, err)
	return key.(ed25519.PrivateKey)
}

// report reports to the full server as the branch.
func (b *branch) report(req *v1.ReportRequest) (*v1.ReportResponse, error) {
	b.t.Helper()
	return sallyportv1connect.NewReportServiceClient(b.client(b.stolen()), b.full.URL).Report(b.t.Context(), req)
}

// client shows that key, and knows nothing of releases.
func (b *branch) client(key ed25519.PrivateKey) *http.Client {
	b.t.Helper()
	t := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	b.must(nil, err)
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
		Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}}}
	b.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (b *branch) account(name string) (id string) {
	b.t.Helper()
	b.must(nil, b.realm.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(name))
		id = a.UUID.String()
		return err
	}))
	return id
}

func (b *branch) codeEpoch(name string) (epoch uint64) {
	b.t.Helper()
	b.must(nil, b.realm.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		held, err := tx.TOTP(uuid.MustParse(b.account(name)))
		epoch = held.Epoch
		return err
	}))
	return epoch
}

// sealingKey is what a machine has secrets sealed to.
func sealingKey(t *testing.T) []byte {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k.PublicKey().Bytes()
}
