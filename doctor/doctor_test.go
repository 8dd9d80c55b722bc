package doctor_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/doctor"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/report"
)

const sshdSound = `usepam yes
kbdinteractiveauthentication yes
authorizedkeyscommand /usr/bin/sallyport-keys %u
authorizedkeyscommanduser sallyport-keys
`

// sound lays out a host with nothing wrong but that no daemon runs.
func sound() map[string]string {
	pam := "auth [success=2 default=ignore] pam_unix.so\nauth [success=1 default=die] pam_sallyport.so\n"
	return map[string]string{
		"/etc/nsswitch.conf":                              "passwd: files sallyport systemd\ngroup: files sallyport # ours\nhosts: files dns\nsubid: sallyport\n",
		"/etc/pam.d/common-auth":                          pam,
		"/etc/pam.d/common-account":                       pam,
		"/etc/pam.d/common-session":                       pam,
		"/lib/x86_64-linux-gnu/libnss_sallyport.so.2":     "",
		"/lib/x86_64-linux-gnu/security/pam_sallyport.so": "",
		"/usr/sbin/sshd":                                  "",
		"/etc/sallyport/sallyportd.toml":                  conf("https://127.0.0.1:1"),
		"/etc/sallyport/server-ca.pem":                    "not a certificate",
		"/var/lib/sallyport/machine.key":                  "key",
		"/var/cache/sallyport/directory":                  directory(identity.Forever()),
	}
}

// directory is a snapshot of nobody.
func directory(until time.Time) string {
	f, err := os.CreateTemp("", "directory")
	if err != nil {
		panic(err)
	}
	defer os.Remove(f.Name())
	if _, err := snapshot.Write(f, nobody{}, snapshot.Options{Standing: identity.DirectoryStanding{Until: until}}); err != nil {
		panic(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		panic(err)
	}
	return string(b)
}

type nobody struct{}

func (nobody) Accounts() iter.Seq[*identity.Listed] { return func(func(*identity.Listed) bool) {} }
func (nobody) Groups() iter.Seq[identity.ListedGroup] {
	return func(func(identity.ListedGroup) bool) {}
}
func (nobody) SubIDs() iter.Seq[identity.SubIDs] { return func(func(identity.SubIDs) bool) {} }

func conf(url string) string {
	return fmt.Sprintf(`[machine]
id = "6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11"
[[provider]]
kind = "sallyport"
url = %q
realm = "example"
ca = "/etc/sallyport/server-ca.pem"
`, url)
}

func host(t *testing.T, files map[string]string, sshd string) *doctor.Host {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		p := filepath.Join(root, path)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(path, "/var/lib") {
			mode = 0o600
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "/var/lib/sallyport"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "/var/lib/sallyport"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &doctor.Host{Root: root, Run: func(context.Context, string, ...string) (string, error) { return sshd, nil }}
}

// of returns the findings of one check that are not ok, as "severity detail".
func of(all []report.Finding, check string) string {
	var b strings.Builder
	for _, f := range all {
		if f.Check == check && f.Severity != report.OK {
			fmt.Fprintf(&b, "%s %s\n", f.Severity, f.Detail)
			if f.Mend == "" && f.Severity != report.Note {
				fmt.Fprintf(&b, "NO MEND\n")
			}
		}
	}
	return b.String()
}

func TestEveryFaultOfAHostIsFoundWithItsMend(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string // "-" removes the file
		check      string
		want       string
	}{
		"sallyport not in passwd": {"/etc/nsswitch.conf", "passwd: files\ngroup: files sallyport\n", "name service", `problem nsswitch.conf: "passwd" does not name`},
		"sallyport before files":  {"/etc/nsswitch.conf", "passwd: sallyport files\ngroup: files sallyport\n", "name service", "problem nsswitch.conf: \"passwd\" names sallyport before files"},
		"initgroups without us":   {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\ninitgroups: files\n", "name service", `problem nsswitch.conf: "initgroups" does not`},
		"no nsswitch.conf":        {"/etc/nsswitch.conf", "-", "name service", "problem nsswitch.conf cannot be read"},
		"no NSS module":           {"/lib/x86_64-linux-gnu/libnss_sallyport.so.2", "-", "name service", "problem libnss_sallyport.so.2 is in none"},
		"no PAM module":           {"/lib/x86_64-linux-gnu/security/pam_sallyport.so", "-", "PAM", "problem pam_sallyport.so is in none"},
		"PAM without us":          {"/etc/pam.d/common-auth", "auth required pam_unix.so\n# pam_sallyport.so\n", "PAM", "problem /etc/pam.d/common-auth does not call pam_sallyport.so"},
		"PAM without pam_unix":    {"/etc/pam.d/common-auth", "auth required pam_sallyport.so\n", "PAM", "problem /etc/pam.d/common-auth has no pam_unix.so"},
		"nscd":                    {"/run/nscd/socket", "", "name service cache", "warning a name service cache is running"},
		"nscd runs":               {"/proc/77/comm", "nscd\n", "name service cache", "warning a name service cache is running: nscd keeps"},
		"unscd runs":              {"/proc/77/comm", "unscd\n", "name service cache", "warning a name service cache is running: unscd keeps"},
		"nsncd runs":              {"/proc/77/comm", "nsncd\n", "name service cache", "note a name service cache is running: nsncd answers for glibc; it keeps nothing"},
		"shadow names us":         {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\nshadow: files sallyport\nsubid: sallyport\n", "name service", `warning nsswitch.conf: "shadow" names sallyport`},
		"subid of another":        {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\nsubid: sss\n", "name service", `note nsswitch.conf: "subid" names sss`},
		"no snapshot":             {"/var/cache/sallyport/directory", "-", "directory", "warning there is no directory snapshot"},
		"a damaged snapshot":      {"/var/cache/sallyport/directory", "SALLYDIR", "directory", "problem the directory snapshot is damaged"},
		"an outdated one":         {"/var/cache/sallyport/directory", directory(time.Now().Add(-time.Hour)), "directory", "problem the directory snapshot is out of date since"},
		"an old user database":    {"/run/systemd/userdb/io.sallyport", "", "user database", "problem an earlier version of Sallyport left"},
		"no configuration":        {"/etc/sallyport/sallyportd.toml", "-", "configuration", "problem "},
		"typo in configuration":   {"/etc/sallyport/sallyportd.toml", "[machin]\n", "configuration", "problem "},
		"no CA":                   {"/etc/sallyport/server-ca.pem", "-", "server", "problem the server's certificate cannot be read"},
		"a CA that is none":       {"/etc/sallyport/server-ca.pem", "x", "server", "problem /etc/sallyport/server-ca.pem holds no certificate"},
		"no daemon":               {"/unrelated", "", "daemon", "problem the daemon does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			if files[c.path] = c.text; c.text == "-" {
				delete(files, c.path)
			}
			got := of(host(t, files, sshdSound).Examine(t.Context()), c.check)
			if !strings.HasPrefix(got, c.want) || strings.Contains(got, "NO MEND") {
				t.Errorf("found %q, want %q…", got, c.want)
			}
		})
	}
}

func TestNothingIsWrongWithASoundHost(t *testing.T) {
	all := host(t, sound(), sshdSound).Examine(t.Context())
	for _, check := range []string{"configuration", "files", "directory", "name service", "name service cache", "PAM", "sshd"} {
		if got := of(all, check); got != "" {
			t.Errorf("%s: %s", check, got)
		}
	}
	if len(all) < 8 {
		t.Errorf("only %d findings: %v", len(all), all)
	}
}

func TestSSHDIsJudgedByItsOwnWord(t *testing.T) {
	for name, c := range map[string]struct{ line, with, want string }{
		"no PAM":     {"usepam yes", "usepam no", "problem sshd does not use PAM"},
		"no command": {"/usr/bin/sallyport-keys %u", "none", "warning sshd does not ask"},
		"as root":    {"authorizedkeyscommanduser sallyport-keys", "authorizedkeyscommanduser root", "warning sshd runs sallyport-keys as"},
		"one prompt": {"kbdinteractiveauthentication yes", "kbdinteractiveauthentication no", "note sshd asks one question"},
	} {
		t.Run(name, func(t *testing.T) {
			got := of(host(t, sound(), strings.Replace(sshdSound, c.line, c.with, 1)).Examine(t.Context()), "sshd")
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("found %q, want %q…", got, c.want)
			}
		})
	}
}

func TestAFolderThatPeopleCannotReadOrAnyoneCanWriteIsAProblem(t *testing.T) {
	for mode, want := range map[os.FileMode]string{0o750: "programs of people cannot read names", 0o777: "can be written by others"} {
		h := host(t, sound(), sshdSound)
		if err := os.Chmod(filepath.Join(h.Root, "/var/cache/sallyport"), mode); err != nil {
			t.Fatal(err)
		}
		if got := of(h.Examine(t.Context()), "directory"); !strings.Contains(got, want) {
			t.Errorf("mode %o: found %q", mode, got)
		}
	}
}

func TestSecretsThatOthersCanReadAreAProblem(t *testing.T) {
	h := host(t, sound(), sshdSound)
	if err := os.Chmod(filepath.Join(h.Root, "/var/lib/sallyport/machine.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := of(h.Examine(t.Context()), "files"); !strings.Contains(got, "machine.key has mode 0640") {
		t.Errorf("found %q", got)
	}
}

// selfSigned is a certificate that vouches for nobody else.
func selfSigned(t *testing.T) string {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// ofKanidm is conf for a Kanidm server.
func ofKanidm(url string) string {
	return strings.Replace(conf(url), `"sallyport"`, `"kanidm"`, 1) + "token = \"/var/lib/sallyport/token\"\n"
}

func TestWhatAKanidmServersRealmNeedsIsLookedAtToo(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	files := sound()
	files["/etc/sallyport/sallyportd.toml"] = ofKanidm(s.URL)
	files["/etc/sallyport/server-ca.pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	files["/var/lib/sallyport/token"], files["/var/lib/sallyport/cache-0123456789ab.db"] = "t", ""
	h := host(t, files, sshdSound)
	h.Now = time.Now
	all := h.Examine(t.Context())
	if got := of(all, "server") + of(all, "files"); got != "" {
		t.Errorf("found %q", got)
	}
	for _, f := range []string{"token", "cache-0123456789ab.db"} {
		if err := os.Chmod(filepath.Join(h.Root, "/var/lib/sallyport", f), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := of(h.Examine(t.Context()), "files"); !strings.Contains(got, f+" has mode 0640") {
			t.Errorf("found %q", got)
		}
	}
}

func TestShortNamesBehindAnotherRealmAreAWarning(t *testing.T) {
	first := strings.Replace(conf("https://id.example"), "[[provider]]\n", "[[provider]]\nids = [\"70000-70999\"]\n", 1)
	second := func(kind, more string) string {
		return "\n[[provider]]\nkind = \"" + kind + "\"\nurl = \"https://idm.example\"\nrealm = \"idm.example\"\nca = \"/ca\"\nids = [\"71000-71999\"]\n" + more
	}
	ours := strings.Replace(first, `"sallyport"`, `"kanidm"`, 1)
	for text, want := range map[string]string{
		first + second("kanidm", ""):                      "warning people of idm.example have short names behind another realm",
		first + second("kanidm", "user_name = \"spn\"\n"): "",
		ours + second("sallyport", ""):                    "warning people of idm.example",
	} {
		files := sound()
		files["/etc/sallyport/sallyportd.toml"] = text
		if got := of(host(t, files, sshdSound).Examine(t.Context()), "configuration"); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s\nfound %q, want %q", text, got, want)
		}
	}
}

func TestTheServerIsJudgedByCertificateAndClock(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	defer s.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for name, c := range map[string]struct {
		ca   string
		now  func() time.Time
		want string
	}{
		"sound":           {ca, time.Now, ""},
		"clock behind":    {ca, func() time.Time { return time.Now().Add(-time.Hour - 2*time.Second) }, "problem this clock is 1h0m"},
		"near its end":    {ca, func() time.Time { return s.Certificate().NotAfter.Add(-time.Hour) }, "warning the server's certificate ends on"},
		"expired":         {ca, func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }, "problem whoever answers at"},
		"someone else":    {selfSigned(t), time.Now, "problem whoever answers at"},
		"nobody is there": {ca, nil, "warning https://127.0.0.1:1 cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			files["/etc/sallyport/server-ca.pem"] = c.ca
			if c.now != nil {
				files["/etc/sallyport/sallyportd.toml"] = conf(s.URL)
			}
			h := host(t, files, sshdSound)
			h.Now = c.now
			if got := of(h.Examine(t.Context()), "server"); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("found %q, want %q…", got, c.want)
			}
		})
	}
}
