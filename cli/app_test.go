package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// served is a realm with the application notes that is served by TLS and by plain HTTP.
type served struct {
	t              *testing.T
	admin          sallyportv1connect.AdminServiceClient
	https, http    string
	shipped, state string
}

func (s *served) must(_ any, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func serveNotes(t *testing.T) *served {
	t.Helper()
	s := &served{t: t, shipped: t.TempDir()}
	folder := filepath.Join(t.TempDir(), "realm")
	s.must(nil, realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "example", Listen: "127.0.0.1:0"}))
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	s.must(nil, err)
	plain := free.Addr().String()
	s.must(nil, free.Close())
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, server.ServeOptions{Dir: folder, Applications: plain, Ready: func(a net.Addr, _ string) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-ready:
		s.https, s.http = "https://"+a.String(), "http://"+plain
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	admin, closer, err := server.Admin(t.Context(), folder, nil)
	s.must(nil, err)
	t.Cleanup(func() { _ = closer.Close() })
	s.admin = admin
	on := true
	s.must(admin.SetApplications(t.Context(), &v1.SetApplicationsRequest{Enabled: &on}))
	a, err := admin.AddApplication(t.Context(), &v1.NameRequest{Name: "notes"})
	s.must(nil, err)
	s.must(nil, os.WriteFile(filepath.Join(s.shipped, client.ApplicationKey), []byte(a.GetPrivateKey()), 0o600))
	s.must(nil, os.WriteFile(filepath.Join(s.shipped, client.RealmKey), []byte(a.GetRealmPublicKey()), 0o600))
	s.must(admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "ada"}))
	s.must(admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "writers"}))
	s.must(admin.AddMember(t.Context(), &v1.MemberRequest{Group: "writers", Member: "ada"}))
	s.must(admin.GrantResource(t.Context(), &v1.GrantResourceRequest{Space: "notes", Group: "writers", Operations: []string{"create", "read", "update", "delete"}}))
	return s
}

// app runs "sallyport app" with that standard input.
func (s *served) app(stdin string, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	in := filepath.Join(s.t.TempDir(), "stdin")
	s.must(nil, os.WriteFile(in, []byte(stdin), 0o600))
	f, err := os.Open(in)
	s.must(nil, err)
	defer func() { _ = f.Close() }()
	var out, errs bytes.Buffer
	a := &cli.App{Stdin: f, Stdout: &out, Stderr: &errs, Now: time.Now}
	code = a.Run(s.t.Context(), append([]string{"app"}, append(args, "--state", s.state)...))
	return code, out.String(), errs.String()
}

func (s *served) wants(code int, in string, stdin string, args ...string) {
	s.t.Helper()
	got, out, errs := s.app(stdin, args...)
	if got != code || !strings.Contains(out+errs, in) {
		s.t.Errorf("%v: exit code %d, want %d with %q:\n%s%s", args, got, code, in, out, errs)
	}
}

// Promise application-listen.
func TestAnInstanceWorksByTLSAndByPlainHTTP(t *testing.T) {
	s := serveNotes(t)
	const passphrase = "correct horse\n"
	for _, url := range []string{s.https, s.http} {
		s.state = filepath.Join(t.TempDir(), "state")
		invited, err := s.admin.InvitePerson(t.Context(), &v1.NameRequest{Name: "ada"})
		s.must(nil, err)
		s.wants(command.ExitOK, "realm        example\n", "", "init", "--shipped", s.shipped, "--server", url)
		s.wants(command.ExitNo, "refused (code)", passphrase+passphrase, "register", "--code", "WRONG")
		s.wants(command.ExitFailed, "the two passphrases differ", passphrase+"another horse\n", "register", "--code", invited.GetCode())
		s.wants(command.ExitOK, "Registered as ada.", passphrase+passphrase, "register", "--code", invited.GetCode())
		s.wants(command.ExitOK, "registered   ada\n", "", "status")
		s.wants(command.ExitOK, "notes/today has revision 1.", passphrase, "create", "notes/today", "buy bread")
		s.wants(command.ExitNo, "create notes/today: not done (exists)", passphrase, "create", "notes/today", "buy bread")
		s.wants(command.ExitNo, "the passphrase is wrong", "wrong\n", "read", "notes/today")
		s.wants(command.ExitOK, "buy bread\n(text, revision 1)", passphrase, "read", "notes/today")
		s.wants(command.ExitOK, "notes/today has revision 2.", passphrase, "update", "notes/today", `[1, {"Any": "field"}]`, "--type", "json", "--revision", "1")
		code, out, _ := s.app(passphrase, "read", "notes/today", "--json")
		var got struct {
			Value json.RawMessage `json:"value"`
			Job   string          `json:"job"`
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || !strings.Contains(string(got.Value), `"Any"`) {
			t.Errorf("%d %s %v", code, out, err)
		}
		s.wants(command.ExitNo, "refused (job.fetched)", passphrase, "result", got.Job)
		s.wants(command.ExitOK, "notes/today is deleted.", passphrase, "delete", "notes/today", "--revision", "2")
		s.wants(command.ExitNo, "refused (permission)", passphrase, "read", "other/today")
		s.wants(command.ExitNo, "refused (self.off)", "", "register", "--totp")
		s.wants(command.ExitFailed, "there is an instance here already", "", "init", "--shipped", s.shipped, "--server", url)
	}
	for _, path := range []string{"/", "/sallyport.v1.RealmService/Describe", "/identity.IdentityService/VerifyUserToken", "/applications/v2"} {
		resp, err := http.Post(s.http+path, "application/json", strings.NewReader("{}"))
		s.must(nil, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s by plain HTTP: %s", path, resp.Status)
		}
	}
	s.state = filepath.Join(t.TempDir(), "state")
	s.wants(command.ExitUnavailable, "connection refused", "", "init", "--shipped", s.shipped, "--server", "http://127.0.0.1:1")
	off := false
	s.must(s.admin.SetApplications(t.Context(), &v1.SetApplicationsRequest{Enabled: &off}))
	s.wants(command.ExitFailed, "no applications are answered at this address", "", "init", "--shipped", s.shipped, "--server", s.http)
}
