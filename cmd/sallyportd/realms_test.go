package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

// machine is a folder with all that a daemon of two realms is started from. Each realm's
// server is a double of Kanidm with one person: bob.
type machine struct {
	t             *testing.T
	dir           string
	first, second *double.Double
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir(), first: double.New(t), second: double.New(t)}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	m.must(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	m.must(err)
	for _, d := range []string{"state", "run", "names"} {
		m.must(os.Mkdir(m.path(d), 0o700))
	}
	m.write("machine.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	m.write("first.pem", m.first.CA())
	m.write("second.pem", m.second.CA())
	m.write("token", []byte("token\n"))
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) write(name string, text []byte) {
	m.t.Helper()
	m.must(os.WriteFile(m.path(name), text, 0o600))
}

func (m *machine) settings(seal string) *config.Config {
	m.t.Helper()
	provider := func(realm, url, ids string) string {
		return fmt.Sprintf("[[provider]]\nkind = \"kanidm\"\nurl = %q\nrealm = %q\nca = %q\nids = [%q]\n", url, realm, m.path(realm+".pem"), ids)
	}
	text := fmt.Sprintf("[machine]\nid = %q\nkey = %q\n", uuid.MustParse("11111111-1111-4111-8111-111111111111"), m.path("machine.key")) +
		provider("first", m.first.URL, "65536-80000") + provider("second", m.second.URL, "80001-99999") +
		fmt.Sprintf("token = %q\n", m.path("token")) +
		fmt.Sprintf("[login]\nallow = [\"*@first\", \"*@second\"]\n[cards]\nenabled = false\n[seal]\nkind = %q\n[paths]\nstate = %q\nrun = %q\ndirectory = %q\n",
			seal, m.path("state"), m.path("run"), m.path("names"))
	c, err := config.Parse("sallyportd.toml", []byte(text))
	m.must(err)
	return c
}

// served starts the daemon, and returns once status says that among its findings.
func (m *machine) served(seal, says string) (explain func(name string) report.Explanation) {
	m.t.Helper()
	return m.servedBy(m.settings(seal), says)
}

func (m *machine) servedBy(c *config.Config, says string) (explain func(name string) report.Explanation) {
	m.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, nil, slog.New(slog.DiscardHandler)) }()
	m.t.Cleanup(func() {
		stop()
		m.must(<-ended)
	})
	client := control.Client{Path: m.path("run/control.sock")}
	var status report.Status
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- nil
			m.t.Fatal("the daemon ended: ", err)
		default:
		}
		if status, err = control.One[report.Status](ctx, client, "status", nil); err == nil && strings.Contains(fmt.Sprintf("%+v", status.Findings), says) {
			return func(name string) report.Explanation {
				x, err := control.One[report.Explanation](ctx, client, "explain", map[string]string{"name": name})
				m.must(err)
				return x
			}
		}
	}
	m.t.Fatalf("status says %+v, and not %q: %v", status.Findings, says, err)
	return nil
}

// TestTheDaemonServesWithoutWhatIsMissing: whatever one realm or one part lacks, the
// daemon starts, says so, and the first realm's bob may log in.
//
// Promise 19.
func TestTheDaemonServesWithoutWhatIsMissing(t *testing.T) {
	for sentence, c := range map[string]struct {
		breaks func(m *machine) error
		seal   string
		says   string
	}{
		"nothing is missing":         {breaks: func(*machine) error { return nil }},
		"its certificate is missing": {breaks: func(m *machine) error { return os.Remove(m.path("second.pem")) }, says: "second.pem: no such file"},
		"its certificate is none":    {breaks: func(m *machine) error { return os.WriteFile(m.path("second.pem"), nil, 0o600) }, says: "second.pem: kanidm provider: no root"},
		"its token is missing":       {breaks: func(m *machine) error { return os.Remove(m.path("token")) }, says: "token: no such file"},
		"others can read its token":  {breaks: func(m *machine) error { return os.Chmod(m.path("token"), 0o644) }, says: "token has mode 0644"},
		"its cache is a folder": {breaks: func(m *machine) error {
			return os.Mkdir(m.path("state/"+cacheName(&m.settings("file").Providers[1])), 0o700)
		}, says: "second: The server of this realm cannot be asked: what this machine remembers of it cannot be read"},
		"others can read the seal": {breaks: func(m *machine) error { return os.WriteFile(m.path("state/seal.key"), make([]byte, 32), 0o644) }, says: "seal.key has mode 0644"},
		"there is no TPM":          {breaks: func(*machine) error { return nil }, seal: "tpm", says: "nobody can log in offline"},
		"names cannot be written": {breaks: func(m *machine) error {
			return errors.Join(os.Remove(m.path("names")), os.WriteFile(m.path("names"), nil, 0o600))
		}, says: "/names"},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := newMachine(t)
			m.must(c.breaks(m))
			if c.seal == "" {
				c.seal = "file"
			}
			if x := m.served(c.seal, c.says)("bob"); !x.MayLogin {
				t.Errorf("the first realm's bob is kept out: %+v", x)
			}
		})
	}
}

// TestNoSubordinateIDIsGivenWhileARealmsMemoryIsLost: nobody knows then whose range is
// whose, and the list that was handed over stays.
//
// Promise 19.
func TestNoSubordinateIDIsGivenWhileARealmsMemoryIsLost(t *testing.T) {
	for lost, want := range map[bool]error{false: nil, true: identity.ErrUnavailable} {
		m := newMachine(t)
		c := m.settings("file")
		if lost {
			m.must(os.Mkdir(m.path("state/"+cacheName(&c.Providers[1])), 0o700))
		}
		d := daemon.NewRealms()
		sealed := openSeal(t.Context(), c, slog.New(slog.DiscardHandler))
		_, closer, err := openRealms(t.Context(), c, nil, daemon.Options{
			Log: slog.New(slog.DiscardHandler), Sealer: sealed.Sealer, Realms: d, Machine: c.Machine.ID, SubIDList: m.path("subids"), LocalFiles: m.dir,
		})
		m.must(err)
		if r, err := d.SubIDsOf(t.Context(), identity.Peer{}, "bob"); !errors.Is(err, want) || lost != (r == identity.IDRange{}) {
			t.Errorf("lost %v: %v, %v", lost, r, err)
		}
		closer()
	}
	m := newMachine(t)
	m.must(os.Mkdir(m.path("state/"+cacheName(&m.settings("file").Providers[1])), 0o700))
	m.write("state/subids", []byte("70001:231072:65536\n"))
	m.served("file", "")
	if text, err := os.ReadFile(m.path("state/subids")); err != nil || string(text) != "70001:231072:65536\n" {
		t.Errorf("the list is %q, %v", text, err)
	}
}
