//go:build releases

package releases

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/fleet"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// The last release knows no servers that only read: a key list that it signed would leave
// their keys out. It does not come to that, for it serves no database that names one, and no
// folder of a realm whose keys are in the database; today's servers go on.
// Promise release-read-only (`make test-releases`).
func TestTheLastReleaseServesNoRealmWithReadOnlyServers(t *testing.T) {
	ctx, old := t.Context(), os.Getenv("SALLYPORT_OLD_RELEASE")
	today, err := machine.RepoRoot()
	must(t, err)
	primary, err := postgres.Start(ctx)
	must(t, err)
	t.Cleanup(func() { _ = primary.Stop() })
	dir := t.TempDir()
	at := func(p *fleet.Process, words ...string) string {
		t.Helper()
		out, err := p.Admin(ctx, "", words...)
		must(t, err)
		return out
	}
	serve := func(name, listen string, words ...string) *fleet.Process {
		t.Helper()
		p := &fleet.Process{Binary: filepath.Join(today, "build/sallyport-server"), Dir: filepath.Join(dir, name)}
		at(p, append([]string{"init", "--url", "https://" + listen, "--listen", listen}, words...)...)
		p.Words = []string{"--listen", listen}
		t.Cleanup(func() { _ = p.Kill() })
		return p
	}
	full := serve("full", "127.0.0.1:8443", "--realm", "example", "--database", primary.Address(""))
	must(t, full.Start(ctx))
	standby, err := primary.Standby(ctx)
	must(t, err)
	t.Cleanup(func() { _ = standby.Stop() })
	must(t, standby.Caught(ctx, primary))
	request := filepath.Join(dir, "request")
	branch := serve("branch", "127.0.0.1:8444", "--read-only", request, "--database", standby.Address(""))
	at(full, "server", "admit", request)
	listed := func() (version string) {
		t.Helper()
		var keys map[string]any
		must(t, json.Unmarshal([]byte(at(full, "keys", "show", "--json")), &keys))
		text, err := json.Marshal(keys)
		must(t, err)
		return string(text)
	}
	before := listed()
	for _, folder := range []string{full.Dir, branch.Dir} {
		beside := folder + "-old"
		if out, err := exec.CommandContext(ctx, "cp", "-a", folder, beside).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p := &fleet.Process{Binary: filepath.Join(old, "build/sallyport-server"), Dir: beside}
		if err := p.Start(ctx); err == nil {
			t.Errorf("the last release serves %s: %s", folder, p.Log())
			must(t, p.Kill())
		} else {
			t.Logf("the last release says of %s: %v", filepath.Base(folder), err)
		}
		if out, err := p.Admin(ctx, "", "keys", "show"); err == nil {
			t.Errorf("the last release shows the keys of %s: %s", folder, out)
		}
	}
	if after := listed(); after != before {
		t.Errorf("by the last release the keys are others:\n%s\n%s", before, after)
	}
	must(t, standby.Caught(ctx, primary))
	must(t, branch.Start(ctx))
	if out := at(full, "server", "list"); !strings.Contains(out, "read-only") {
		t.Errorf("the server that only reads is gone:\n%s", out)
	}
}
