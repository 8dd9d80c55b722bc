package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// buildNext builds the server's program as a next release would be, which has these
// migrations more than today's.
func (r *rig) buildNext(scripts ...string) (binary string) {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), "go", "list", "-m", "-f", "{{.Dir}}").Output()
	r.must(nil, err)
	work := r.t.TempDir()
	replace := map[string]string{}
	for n, text := range scripts {
		added := filepath.Join(work, fmt.Sprintf("%d.sql", n))
		r.must(nil, os.WriteFile(added, []byte(text), 0o600))
		for _, engine := range []string{"sqlite", "postgres"} {
			replace[filepath.Join(strings.TrimSpace(string(out)), "server/store/migrations", engine, fmt.Sprintf("999%d_next.sql", n))] = added
		}
	}
	overlay := filepath.Join(work, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": replace})
	r.must(nil, err)
	r.must(nil, os.WriteFile(overlay, b, 0o600))
	binary = filepath.Join(work, "sallyport-server")
	out, err = exec.CommandContext(r.t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "github.com/sallyport-auth/sallyport/cmd/sallyport-server").CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// upgrade takes a server to a program, as docs/fleet.md has it.
func (r *rig) upgrade(server int, binary string, migrate bool) {
	r.t.Helper()
	s := r.servers[server]
	r.must(nil, s.Stop()) // which does nothing where it is stopped
	s.Binary = binary
	if migrate {
		r.must(s.Admin(r.t.Context(), "", "migrate"))
	}
	r.must(nil, s.Start(r.t.Context()))
}

// TestServersAreUpgradedOneAfterTheOther: by a migration that breaks nothing, an older
// program serves beside a newer one, and may start anew; after one that does it is refused
// by name, and machines go on at the newer.
// Promise fleet-upgrade.
func TestServersAreUpgradedOneAfterTheOther(t *testing.T) {
	r := newRig(t)
	r.person("bob", "")
	atOld, atNew := r.machine("box0", 0), r.machine("box1", 1)
	today := r.servers[0].Binary
	harmless := "CREATE TABLE next (x BIGINT);\nALTER TABLE accounts ADD COLUMN next BIGINT NOT NULL DEFAULT 7;\n"
	next := r.buildNext(harmless)
	r.must(nil, r.servers[1].Stop())
	r.servers[1].Binary = next
	if err := r.servers[1].Start(t.Context()); err == nil || !strings.Contains(err.Error(), "sallyport-server migrate") {
		t.Fatalf("a newer program on older tables: %v", err)
	}
	r.upgrade(1, next, true)
	goesOn := func(when string) {
		t.Helper()
		for what, m := range map[string]*sallyport.Provider{"the older": atOld, "the newer": atNew} {
			if in, err := r.lets(m, "bob"); !in {
				t.Errorf("%s, at %s: %v", when, what, err)
			}
		}
	}
	goesOn("side by side")
	// What one writes the other takes up.
	r.at(0, "account", "disable", "bob")
	if in, err := r.lets(atNew, "bob"); in || err != nil {
		t.Errorf("disabled through the older: %t, %v", in, err)
	}
	r.at(1, "account", "enable", "bob")
	goesOn("enabled through the newer")
	r.upgrade(0, today, false)
	goesOn("after the older was started anew")
	r.upgrade(1, r.buildNext(harmless, "-- breaking\nALTER TABLE accounts ADD COLUMN must BIGINT NOT NULL DEFAULT 7;\n"), true)
	r.must(nil, r.servers[0].Stop())
	if err := r.servers[0].Start(t.Context()); err == nil || !strings.Contains(err.Error(), "use a newer program") {
		t.Errorf("an older program on tables that it does not know: %v", err)
	}
	if in, err := r.lets(atOld, "bob"); !in {
		t.Errorf("at the newer alone: %v", err)
	}
}
