//go:build identityclients

package identities_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/identities"
)

// python is a folder with the example client, its key, and what protoc makes of our files.
type python struct {
	t               *testing.T
	folder, example string
	server          string
}

func newPython(t *testing.T, r *identities.Realm) *python {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := &python{t: t, folder: t.TempDir(), example: filepath.Join(root, "docs/examples/python/client.py"), server: strings.TrimPrefix(r.URL, "https://")}
	p.runs("openssl", "genpkey", "-algorithm", "ed25519", "-out", "machine.key")
	p.runs("openssl", "req", "-x509", "-new", "-key", "machine.key", "-subj", "/CN=machine", "-days", "36500", "-out", "machine.crt")
	p.runs("protoc", "-I", filepath.Join(root, "proto"), "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "--python_out=.", "--grpc_python_out=.",
		"identity/identity.proto", "sallyport/v1/realm.proto")
	ca, err := os.ReadFile(filepath.Join(r.Folder, "ca.crt"))
	if err == nil {
		err = os.WriteFile(filepath.Join(p.folder, "ca.crt"), ca, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *python) runs(program string, words ...string) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), program, words...)
	c.Dir = p.folder
	if out, err := c.CombinedOutput(); err != nil {
		p.t.Fatalf("%s %q: %v: %s", program, words, err, out)
	}
}

// wants runs the client with a token, and compares its exit code and what it says.
func (p *python) wants(code int, says string, token []byte, words ...string) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), "/usr/bin/python3", append([]string{p.example, p.server}, words...)...)
	c.Dir = p.folder
	c.Env = append(os.Environ(), "PYTHONPATH="+p.folder, "PYTHONDONTWRITEBYTECODE=1")
	c.Stdin = strings.NewReader(base64.RawURLEncoding.EncodeToString(token))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if _ = c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() != code || !strings.Contains(out.String(), says) {
		p.t.Errorf("%q: %v, want exit code %d and %q:\n%s", words, c.ProcessState, code, says, &out)
	}
}

// Promise identity-client-python.
func TestAClientInPythonVerifiesTokens(t *testing.T) {
	r := identities.New(t)
	r.Person("ada")
	laptop := r.Provider("laptop")
	token, watch := r.Token(laptop, "ada", "my phone"), r.Token(laptop, "ada", "watch")
	p := newPython(t, r)
	p.wants(1, "UNAUTHENTICATED", token, "verify", "ada", "my phone")
	code, _ := r.Code("python")
	p.wants(1, "PERMISSION_DENIED", nil, "join", "WRONG")
	p.wants(0, "joined example.org as python", nil, "join", code)
	p.wants(0, "yes\n", token, "verify", "ada", "my phone")
	p.wants(1, "no\n", token, "verify", "ada", "watch")
	p.wants(1, "no\n", token, "verify", "eve", "my phone")
	p.wants(1, "no\n", nil, "verify", "ada", "my phone")
	p.wants(0, "my phone by wallet\nwatch by wallet\n", token, "devices", "ada", "my phone")
	p.wants(1, "UNAUTHENTICATED the token is not good", watch, "devices", "ada", "my phone")
	p.wants(0, "", token, "revoke", "ada", "my phone")
	p.wants(1, "no\n", token, "verify", "ada", "my phone")
	p.wants(0, "yes\n", watch, "verify", "ada", "watch")

	// Whoever is not the realm's server is told nothing.
	other := identities.New(t)
	p.server = strings.TrimPrefix(other.URL, "https://")
	p.wants(1, "UNAVAILABLE", watch, "verify", "ada", "watch")
}
