package module_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The libFuzzer target runs here for a fixed number of inputs from a fixed seed,
// with sanitizers; `make fuzz` runs it for longer.
func TestTheFuzzerFindsNothingSoon(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "fuzz")
	out, err := exec.Command("clang", "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
		"-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-I../../wire/cwire", "-I.", "-Wl,--wrap=connect",
		"-o", bin, "fuzz/relay_fuzz.c", "begin.c", "relay.c", "session.c", "verdict.c").CombinedOutput()
	if err != nil {
		t.Fatalf("clang: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-runs=20000", "-seed=1", "-max_len=4096", t.TempDir(), "fuzz/corpus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
