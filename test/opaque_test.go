package test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Phrases that stand nowhere else.
const (
	firstPhrase  = "a first phrase of ada's own"
	secondPhrase = "a second phrase of ada's own"
)

// Promise opaque-unseen.
func TestTheServerNeverSeesARegisteredPassword(t *testing.T) {
	r := joined(t)
	says(t, passwd(r, ada, adaPass, firstPhrase, firstPhrase), true, "updated successfully")
	if !serverHolds(t, r, firstPhrase) {
		t.Fatal("a password that the server hashes is not found in its memory: this test shows nothing")
	}
	admin(t, r, "", "realm", "set", "--opaque-passwords=true")
	says(t, passwd(r, ada, firstPhrase, secondPhrase, secondPhrase), true, "updated successfully")
	if s := admin(t, r, "", "account", "show", ada, "--json"); !strings.Contains(s, `"opaque_password": true`) {
		t.Fatalf("the new password is not registered:\n%s", s)
	}
	for name, try := range ways(r, ada, secondPhrase) {
		t.Run(name, func(t *testing.T) { lets(t, try, ada) })
	}
	for name, try := range ways(r, ada, firstPhrase) {
		t.Run("the old one by "+name, func(t *testing.T) { keepsOut(t, try) })
		lets(t, ways(r, ada, secondPhrase)["su"], ada)
	}
	lets(t, bySudo(r, ada, secondPhrase), "root")
	if serverHolds(t, r, secondPhrase) {
		t.Error("the server has seen the password")
	}
	t.Run("offline", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		lets(t, ways(r, ada, secondPhrase)["su"], ada)
		keepsOut(t, ways(r, ada, firstPhrase)["su"])
	})
}

// serverHolds searches the memory of the realm's server.
func serverHolds(t *testing.T, r *machine.Realm, text string) bool {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	searched, found := 0, false
	for _, file := range all {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		if len(f) < 3 || f[2] != fmt.Sprint(r.Server.Cmd.Process.Pid) || !strings.Contains(string(stat), "(sallyport-serve)") {
			continue
		}
		found = found || memoryHolds(t, filepath.Dir(file), []byte(text))
		searched++
	}
	if searched != 1 {
		t.Fatalf("%d processes of the server", searched)
	}
	return found
}

func memoryHolds(t *testing.T, proc string, text []byte) bool {
	t.Helper()
	maps, err := os.ReadFile(filepath.Join(proc, "maps"))
	must(t, err)
	mem, err := os.Open(filepath.Join(proc, "mem"))
	must(t, err)
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		part := make([]byte, to-from)
		n, err := io.ReadFull(io.NewSectionReader(mem, from, to-from), part)
		if err != nil && n == 0 {
			continue // such as [vvar]
		}
		if bytes.Contains(part, text) {
			return true
		}
	}
	return false
}
