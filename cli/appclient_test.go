package cli_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
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

	forged(t, s, h, passphrase)

	// Another realm's server answers nothing.
	other := serveNotes(t)
	s.must(nil, os.WriteFile(filepath.Join(h.folder, "server"), []byte(other.http+"\n"), 0o600))
	if _, errs := h.run(70, passphrase, "read", "notes/shell"); !strings.Contains(errs, "400") {
		t.Errorf("another realm: %s", errs)
	}
}

// forged has the client hear something else than the realm's answer to its question.
func forged(t *testing.T, s *served, h shell, passphrase string) {
	t.Helper()
	var give func(question, answer []byte) []byte
	var came [][]byte
	middle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		q, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		resp, err := http.Post(s.http+req.URL.Path, "application/octet-stream", bytes.NewReader(q))
		if err != nil {
			t.Error(err)
			return
		}
		a, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Error(err)
		}
		came = append(came, a)
		_, _ = w.Write(give(q, a))
	}))
	defer middle.Close()
	s.must(nil, os.WriteFile(filepath.Join(h.folder, "server"), []byte(middle.URL+"\n"), 0o600))
	give = func(_, a []byte) []byte { return a }
	h.refused("permission", passphrase, "read", "other/shell")
	armored, err := os.ReadFile(filepath.Join(s.shipped, client.ApplicationKey))
	s.must(nil, err)
	stranger, err := message.ParsePrivate(armored, nil, time.Now())
	s.must(nil, err)
	old := came[0]
	for what, c := range map[string]struct {
		give func(question, answer []byte) []byte
		says string
	}{
		"the answer of before":  {func(_, _ []byte) []byte { return old }, "that answers something else"},
		"a bit is another":      {func(_, a []byte) []byte { a[len(a)-9] ^= 1; return a }, "that is no answer"},
		"cut off":               {func(_, a []byte) []byte { return a[:len(a)-1] }, "that is no answer"},
		"nothing":               {func(_, _ []byte) []byte { return nil }, "that is no answer"},
		"signed by another key": {func(_, _ []byte) []byte { return signs(t, stranger) }, "the realm did not sign that"},
		"not signed":            {func(_, _ []byte) []byte { return []byte("\xcb\x08b\x00\x00\x00\x00\x00{}") }, "not signed by a key that is good"},
	} {
		give = c.give
		if _, errs := h.run(70, passphrase, "read", "notes/shell"); !strings.Contains(errs, c.says) {
			t.Errorf("%s: %s", what, errs)
		}
	}
}

func signs(t *testing.T, k message.Key) []byte {
	t.Helper()
	b, err := message.Seal([]byte("{}"), k, nil, time.Now())
	if err != nil {
		t.Error(err)
	}
	return b
}
