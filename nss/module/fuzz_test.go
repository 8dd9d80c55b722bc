package module_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/module"
)

// The libFuzzer targets run here for a fixed number of inputs from a fixed seed,
// with sanitizers; `make fuzz` runs them for longer. Each has its own inputs.
func TestTheFuzzersFindNothingSoon(t *testing.T) {
	sources, err := filepath.Glob("*.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"lookup", "snapshot"} {
		t.Run(target, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "fuzz")
			args := append([]string{
				"-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
				"-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-I../../wire/cwire", "-I.",
				"-Wl,--wrap=connect,--wrap=open", "-o", bin, "fuzz/" + target + "_fuzz.c",
			}, sources...)
			if out, err := exec.Command("clang", args...).CombinedOutput(); err != nil {
				t.Fatalf("clang: %v\n%s", err, out)
			}
			cmd := exec.Command(bin, "-runs=20000", "-seed=1", "-max_len=4096", t.TempDir(), "fuzz/corpus/"+target)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The inputs that the fuzzer of the snapshot begins with are what the daemon writes.
func TestTheFuzzersSeedIsASoundFile(t *testing.T) {
	b, err := os.ReadFile("fuzz/corpus/snapshot/few-people")
	if err != nil {
		t.Fatal(err)
	}
	place(t, b[:len(b)-1])
	want(t, the.variants[1].ask(t, "pwnam=alice", "groups=bob/70002"), alice, "groups 1 0: 70100 44 998")
}

// FuzzName: C asks for what Go can take for a name, and for nothing else.
// Promise realms-qualified.
func FuzzName(f *testing.F) {
	for _, s := range []string{
		"alice", "ALICE", "alice@example.org", "a-b.c_d", "1000", "1a", "", "@", "a@", "a:b", "é", "a@b@c", "a@-b", "1@b", "A@B.C",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 64) + "@" + strings.Repeat("b", 190), "a@" + strings.Repeat("b", 254),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsRune(name, 0) {
			return
		}
		_, err := identity.ParseName(identity.FoldName(name))
		if possible := module.NamePossible(name); possible != (err == nil) {
			t.Errorf("%q: C says %t, Go %v", name, possible, err)
		}
	})
}
