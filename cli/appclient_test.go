package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// shell is an instance that testdata/client.sh is: GnuPG, curl, and the words of the page.
type shell struct {
	s      *served
	script string
	folder string
}

func newShell(s *served) shell {
	s.t.Helper()
	script, err := filepath.Abs("testdata/client.sh")
	s.must(nil, err)
	folder, err := os.MkdirTemp("", "app") // a short path: gpg-agent has its socket there
	s.must(nil, err)
	s.t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", filepath.Join(folder, "gnupg"), "--kill", "all").Run()
		_ = os.RemoveAll(folder)
	})
	return shell{s, script, folder}
}

// run runs the script, and makes sure of its exit code.
func (h shell) run(code int, stdin string, args ...string) (out, errs string) {
	h.s.t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{h.script, h.folder}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		log, _ := os.ReadFile(filepath.Join(h.folder, "gpg.log"))
		h.s.t.Fatalf("%v: exit code %d, want %d\n%s%s\n%s", args, got, code, stdout.String(), stderr.String(), log)
	}
	return stdout.String(), stderr.String()
}

func (h shell) wants(in, stdin string, args ...string) {
	h.s.t.Helper()
	if out, _ := h.run(0, stdin, args...); !strings.Contains(out, in) {
		h.s.t.Errorf("%v: %s, want %s", args, out, in)
	}
}

func (h shell) refused(cause, stdin string, args ...string) {
	h.s.t.Helper()
	if _, errs := h.run(1, stdin, args...); !strings.HasPrefix(errs, `{"cause":"`+cause+`",`) {
		h.s.t.Errorf("%v: %s, want %s", args, errs, cause)
	}
}

// Promise application-second-client.
func TestAClientOfGnuPGAndCurlDoesAllThatThePageSays(t *testing.T) {
	s := serveNotes(t)
	h := newShell(s)
	const passphrase = "correct horse battery\n"
	invited, err := s.admin.InvitePerson(t.Context(), &v1.NameRequest{Name: "ada"})
	s.must(nil, err)
	h.wants(`"realm":"example"`, "", "init", s.shipped, s.http)
	h.refused("code", passphrase, "register", "WRONG")
	h.wants(`"account":"ada"`, passphrase, "register", invited.GetCode())
	h.wants(`"done":true,"revision":1`, passphrase, "create", "notes/shell", `"type":"text","value":"buy \"bread\""`)
	h.wants(`"done":true,"type":"text","value":"buy \"bread\"","revision":1`, passphrase, "read", "notes/shell")
	h.wants(`"done":true,"revision":2`, passphrase, "update", "notes/shell", `"type":"json","value":[1],"revision":1`)
	h.wants(`"done":false,"cause":"revision"`, passphrase, "delete", "notes/shell", `"revision":1`)
	h.refused("permission", passphrase, "read", "other/shell")
	job, _ := h.run(0, passphrase, "order", "delete", "notes/shell", `"revision":2`)
	job = strings.TrimSpace(job)
	h.wants(`"job":"`+job+`","operation":"delete","resource":"notes/shell","done":true`, passphrase, "result", job)
	h.refused("job.fetched", passphrase, "result", job)

	// It takes nothing but the realm's answers.
	other := serveNotes(t)
	s.must(nil, os.WriteFile(filepath.Join(h.folder, "server"), []byte(other.http+"\n"), 0o600))
	if _, errs := h.run(70, passphrase, "read", "notes/shell"); !strings.Contains(errs, "400") {
		t.Errorf("another realm: %s", errs)
	}
}
