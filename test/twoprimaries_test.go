package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/test/fleet"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/postgres"
	"github.com/sallyport-auth/sallyport/trouble"
)

// The two servers of a realm whose database becomes two.
const (
	olderURL = machine.ServerURL
	newerURL = "https://127.0.0.1:8444"
)

// split is a machine whose realm has two servers on one PostgreSQL.
type split struct {
	*machine.Realm
	t            *testing.T
	primary      *postgres.Server
	older, newer *fleet.Process
}

func newSplit(t *testing.T) *split {
	t.Helper()
	s := &split{Realm: bare(t), t: t}
	root, err := machine.RepoRoot()
	must(t, err)
	s.primary, err = postgres.Start(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = s.primary.Stop() })
	server := func(url string, words ...string) *fleet.Process {
		p := &fleet.Process{Binary: filepath.Join(root, "build/sallyport-server"), Dir: filepath.Join(t.TempDir(), "server")}
		s.at(p, append([]string{"init", "--database", s.primary.Address(""), "--url", url, "--listen", strings.TrimPrefix(url, "https://")}, words...)...)
		p.Words = []string{"--listen", strings.TrimPrefix(url, "https://")}
		must(t, p.Start(t.Context()))
		t.Cleanup(func() { _ = p.Kill() })
		return p
	}
	s.older = server(olderURL, "--realm", machine.RealmName)
	s.newer = server(newerURL, "--seal-key", s.older.SealKey())
	s.at(s.older, "account", "add", ada)
	_, err = s.older.Admin(t.Context(), adaPass+"\n", "account", "set-password", ada)
	must(t, err)
	var code struct{ Code, Fingerprint string }
	must(t, json.Unmarshal([]byte(s.at(s.older, "machine", "add", "laptop", "--json")), &code))
	_, err = s.Run(t.Context(), "/usr/bin/sallyport", append(s.JoinWords(t.Context(), code.Code, code.Fingerprint), "--server", newerURL)...)
	must(t, err)
	must(t, s.StartDaemon(t.Context()))
	must(t, s.WaitOnline(t.Context()))
	return s
}

// at runs a command at a server.
func (s *split) at(p *fleet.Process, words ...string) string {
	s.t.Helper()
	out, err := p.Admin(s.t.Context(), "", words...)
	must(s.t, err)
	return out
}

// tear promotes a standby, to which one server goes, while the primary goes on with the
// other.
func (s *split) tear() {
	s.t.Helper()
	ctx := s.t.Context()
	standby, err := s.primary.Standby(ctx)
	must(s.t, err)
	s.t.Cleanup(func() { _ = standby.Stop() })
	must(s.t, standby.Caught(ctx, s.primary))
	must(s.t, s.newer.Stop())
	set, err := realm.Dir(s.newer.Dir).Load()
	must(s.t, err)
	set.Database = standby.Address("")
	b, err := json.Marshal(set)
	must(s.t, err)
	must(s.t, os.WriteFile(filepath.Join(s.newer.Dir, "server.json"), b, 0o600))
	must(s.t, standby.Promote(ctx))
	must(s.t, s.newer.Start(ctx))
}

// says waits until status and doctor name that server alone as one at an older copy; none
// where url is "". It returns what status tells a person.
func (s *split) says(when, url string) string {
	s.t.Helper()
	must(s.t, s.Eventually(s.t.Context(), func() error {
		for _, command := range []string{"status", "doctor"} {
			out, _ := s.Run(s.t.Context(), "/usr/bin/sallyport", command, "--json") // it ends with 1 for a problem
			var found []report.Finding
			if command == "status" {
				var st report.Status
				if err := json.Unmarshal([]byte(out), &st); err != nil {
					return fmt.Errorf("%s: %w: %s", command, err, out)
				}
				found = st.Findings
			} else if err := json.Unmarshal([]byte(out), &found); err != nil {
				return fmt.Errorf("%s: %w: %s", command, err, out)
			}
			var named []string
			for _, f := range found {
				if f.Cause != string(trouble.OlderCopy) {
					continue
				}
				if f.Severity != report.Problem || !strings.Contains(f.Mend, "realm set --newest-copy") {
					return fmt.Errorf("%s: %s says %+v", when, command, f)
				}
				for _, u := range []string{olderURL, newerURL} {
					if strings.Contains(f.Detail, u) && !slices.Contains(named, u) {
						named = append(named, u)
					}
				}
			}
			if strings.Join(named, " ") != url {
				return fmt.Errorf("%s: %s names %q, want %q:\n%s", when, command, named, url, out)
			}
		}
		return nil
	}))
	out, _ := s.Run(s.t.Context(), "/usr/bin/sallyport", "status")
	return out
}

// TestStatusAndDoctorNameTheOlderOfTwoPrimaries: a standby was promoted while the primary
// goes on. The machine says which server is at the older one and what to do, with the newer
// one and without; and doing it ends it.
// Promise fleet-split-words.
func TestStatusAndDoctorNameTheOlderOfTwoPrimaries(t *testing.T) {
	s := newSplit(t)
	s.says("before", "")
	s.tear()
	must(t, s.older.Stop()) // so that the machine hears of the newer one
	lets(t, ways(s.Realm, ada, adaPass)["su"], ada)
	must(t, s.older.Start(t.Context()))
	text := s.says("both are there", olderURL)
	if !strings.Contains(text, "serves an older copy of the realm's database") || !strings.Contains(text, olderURL) {
		t.Errorf("status says:\n%s", text)
	}
	lets(t, ways(s.Realm, ada, adaPass)["su"], ada)
	must(t, s.newer.Kill())
	must(t, s.WaitOffline(t.Context()))
	s.says("the older one alone is there", olderURL)
	s.at(s.older, "realm", "set", "--newest-copy")
	must(t, s.WaitOnline(t.Context()))
	s.says("by the administrator's word", "")
	must(t, s.newer.Start(t.Context()))
	must(t, s.older.Stop()) // so that the machine asks the other one
	must(t, s.WaitOffline(t.Context()))
	s.says("and the other one alone is there", newerURL)
}
