package vcard

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// settled waits for what yubico-piv-tool says of a card that pcscd has seen.
func settled(t *testing.T, want string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := run(t, "yubico-piv-tool", "-r", "Virtual PCD", "-a", "status")
		if err == nil && strings.Contains(out, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never says %q", want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// says runs a program that is to succeed and to print that.
func says(t *testing.T, want, name string, args ...string) {
	t.Helper()
	if out, err := run(t, name, args...); err != nil || !strings.Contains(out, want) {
		t.Errorf("not %q", want)
	}
}

func module(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/opensc-pkcs11.so")
	if err != nil || len(found) == 0 {
		t.Fatal("OpenSC is missing (packaging/install-deps test)")
	}
	return found[0]
}

func TestYubicosToolTakesItForACard(t *testing.T) {
	Start(t)
	c := New()
	c.SetManagementKey(TripleDES, DefaultManagementKey()) // this version of the tool knows no other
	in, err := c.Insert(0)
	must1(t, err)
	defer in.Remove()
	settled(t, "PIN tries left:\t3")
	tool := func(want string, args ...string) {
		says(t, want, "yubico-piv-tool", append([]string{"-r", "Virtual PCD"}, args...)...)
	}
	tool("Successfully verified PIN", "-a", "verify-pin", "-P", DefaultPIN)
	if out, err := run(t, "yubico-piv-tool", "-r", "Virtual PCD", "-a", "verify-pin", "-P", "654321"); err == nil || !strings.Contains(out, "2 tries left") {
		t.Error("a wrong PIN is not told")
	}
	tool("Successfully changed", "-a", "change-pin", "-P", DefaultPIN, "-N", "24681357")
	tool("Successfully unblocked", "-a", "unblock-pin", "-P", DefaultPUK, "-N", DefaultPIN)
	public := filepath.Join(t.TempDir(), "public")
	for name, algorithm := range map[string]byte{"ECCP256": P256, "ECCP384": P384, "RSA2048": RSA2048} {
		t.Run(name, func(t *testing.T) {
			tool("Successfully generated", "-s", "9a", "-a", "generate", "-A", name, "-o", public)
			tool("BEGIN CERTIFICATE", "-s", "9a", "-a", "attest")
			_, err := c.Put(Authentication, Key{Algorithm: algorithm, PIN: PINOnce, Touch: TouchNever}, "ada", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			must1(t, err)
			tool("CN=ada", "-a", "status")
			tool("Successful", "-s", "9a", "-a", "verify-pin", "-P", DefaultPIN)
		})
	}
}

func TestOpenSCSignsWithIt(t *testing.T) {
	for name, algorithm := range map[string]byte{"ECDSA-SHA256": P256, "SHA256-RSA-PKCS": RSA2048} {
		t.Run(name, func(t *testing.T) {
			Start(t)
			c := New()
			cert, err := c.Put(Authentication, Key{Algorithm: algorithm, PIN: PINOnce, Touch: TouchNever}, "ada", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			must1(t, err)
			in, err := c.Insert(0)
			must1(t, err)
			defer in.Remove()
			settled(t, "CN=ada")
			says(t, "Certificate for PIV Authentication", "pkcs11-tool", "--module", module(t), "--list-objects")
			text, signature := filepath.Join(t.TempDir(), "text"), filepath.Join(t.TempDir(), "signature")
			must1(t, os.WriteFile(text, []byte("what is signed"), 0o600))
			says(t, "", "pkcs11-tool", "--module", module(t), "--login", "--pin", DefaultPIN, "--sign", "--id", "01",
				"--mechanism", name, "--signature-format", "openssl", "--input-file", text, "--output-file", signature)
			verify(t, cert, text, signature)
		})
	}
}

// verify checks OpenSC's signature.
func verify(t *testing.T, cert *x509.Certificate, text, signature string) {
	t.Helper()
	b, err := os.ReadFile(text)
	must1(t, err)
	s, err := os.ReadFile(signature)
	must1(t, err)
	algorithm := x509.ECDSAWithSHA256
	if cert.PublicKeyAlgorithm == x509.RSA {
		algorithm = x509.SHA256WithRSA
	}
	must1(t, cert.CheckSignature(algorithm, b, s))
}
