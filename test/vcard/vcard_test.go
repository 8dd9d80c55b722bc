package vcard

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/test/machine"
)

func TestMain(m *testing.M) {
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := unix.Mount("run", "/run", "tmpfs", 0, ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must1(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run is a program that nobody here wrote.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	t.Logf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	return string(out), err
}

func TestYubicosToolKnowsTheCard(t *testing.T) {
	Start(t)
	c := New()
	now := time.Now()
	_, err := c.Put(Authentication, Key{Algorithm: P256, PIN: PINOnce, Touch: TouchNever}, "ada", now.Add(-time.Hour), now.Add(time.Hour))
	must1(t, err)
	in, err := c.Insert(0)
	must1(t, err)
	defer in.Remove()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := run(t, "yubico-piv-tool", "-r", "Virtual PCD", "-a", "status")
		if err == nil && strings.Contains(out, "Slot 9a") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never")
		}
		time.Sleep(50 * time.Millisecond)
	}
	run(t, "yubico-piv-tool", "-r", "Virtual PCD", "-a", "verify-pin", "-P", DefaultPIN)
	run(t, "pkcs11-tool", "--module", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", "-O")
}
