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
	pam := stack("auth") + stack("account") + "session required pam_unix.so\nsession optional pam_sallyport.so\n"
	return map[string]string{
		"/etc/nsswitch.conf":                              "passwd: files sallyport systemd\ngroup: files sallyport # ours\nhosts: files dns\n",
		"/etc/pam.d/common-all":                           pam,
		"/etc/pam.d/login":                                "@include common-all\n",
		"/etc/pam.d/su":                                   "auth sufficient pam_rootok.so\n@include common-all\n",
		"/lib/x86_64-linux-gnu/libnss_sallyport.so.2":     library(),
		"/lib/x86_64-linux-gnu/security/pam_sallyport.so": library(),
		"/lib/x86_64-linux-gnu/security/pam_unix.so":      library(),
		"/lib/x86_64-linux-gnu/security/pam_deny.so":      library(),
		"/lib/x86_64-linux-gnu/security/pam_permit.so":    library(),
		"/lib/x86_64-linux-gnu/security/pam_rootok.so":    library(),
		"/usr/sbin/sshd":                                  "",
		"/usr/bin/sallyport-keys":                         "",
		"/usr/bin/userdbctl":                              "",
		"/etc/passwd":                                     "root:x:0:0::/root:/bin/sh\n",
		"/etc/group":                                      "root:x:0:\n",
		"/etc/subuid":                                     "local:700000000:65536\n1900000001:600178688:65536\n",
		"/etc/subgid":                                     "local:700000000:65536\n1900000001:600178688:65536\n",
		"/var/lib/sallyport/subids":                       "1900000001:600178688:65536\n",
		"/etc/sallyport/sallyportd.toml":                  conf("https://127.0.0.1:1"),
		"/etc/sallyport/server-ca.pem":                    "not a certificate",
		"/var/lib/sallyport/machine.key":                  "key",
		"/var/cache/sallyport/directory":                  directory(identity.Forever()),
	}
}

// stack is what pam-auth-update makes of our profile and pam_unix's.
func stack(facility string) string {
	return facility + " [success=2 user_unknown=ignore default=die] pam_sallyport.so\n" + facility + " [success=1 default=ignore] pam_unix.so\n" +
		facility + " requisite pam_deny.so\n" + facility + " required pam_permit.so\n"
}

// library is the beginning of a shared library of this architecture.
func library() string {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	return string(self[:64])
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
	return &doctor.Host{Root: root, Run: func(_ context.Context, name string, _ ...string) (string, error) {
		if name == "systemctl" {
			return "enabled\n", nil
		}
		return sshd, nil
	}}
}

// of returns the findings of one check that are not ok, as "severity detail".
func of(all []report.Finding, check string) string {
	var b strings.Builder
	for _, f := range all {
		if f.Check == check && f.Severity != report.OK {
			fmt.Fprintf(&b, "%s %s\n", f.Severity, f.Detail)
			if strings.ContainsAny(f.Detail+f.Mend, "{}") {
				fmt.Fprintf(&b, "A PLACE IS EMPTY: %s\n", f.Mend)
			}
			if f.Mend == "" && f.Severity != report.Note {
				fmt.Fprintf(&b, "NO MEND\n")
			}
		}
	}
	return b.String()
}

// Promise hints-mend.
func TestEveryFaultOfAHostIsFoundWithItsMend(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string // "-" removes the file
		check      string
		want       string
	}{
		"sallyport not in passwd": {"/etc/nsswitch.conf", "passwd: files\ngroup: files sallyport\n", "name service", `problem /etc/nsswitch.conf: the line "passwd" does not name`},
		"sallyport before files":  {"/etc/nsswitch.conf", "passwd: sallyport files\ngroup: files sallyport\n", "name service", "problem /etc/nsswitch.conf: the line \"passwd\" names sallyport before files"},
		"initgroups without us":   {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\ninitgroups: files\n", "name service", `problem /etc/nsswitch.conf: the line "initgroups" does not`},
		"no nsswitch.conf":        {"/etc/nsswitch.conf", "-", "name service", "problem /etc/nsswitch.conf: the line \"passwd\" does not name"},
		"no NSS module":           {"/lib/x86_64-linux-gnu/libnss_sallyport.so.2", "-", "name service", "problem libnss_sallyport.so.2 is in none"},
		"no PAM module":           {"/lib/x86_64-linux-gnu/security/pam_sallyport.so", "-", "PAM", "problem pam_sallyport.so is in none"},
		"PAM without us":          {"/etc/pam.d/common-all", "auth required pam_unix.so\naccount required pam_unix.so\n# pam_sallyport.so\n", "PAM", "problem No PAM service calls pam_sallyport.so"},
		"PAM without pam_unix":    {"/etc/pam.d/common-all", "auth required pam_sallyport.so\naccount required pam_sallyport.so\n", "PAM", "problem The PAM service login, su refuses local accounts"},
		"nscd":                    {"/run/nscd/socket", "", "name service cache", "warning a name service cache is running"},
		"nscd runs":               {"/proc/77/comm", "nscd\n", "name service cache", "warning a name service cache is running: nscd keeps"},
		"unscd runs":              {"/proc/77/comm", "unscd\n", "name service cache", "warning a name service cache is running: unscd keeps"},
		"nsncd runs":              {"/proc/77/comm", "nsncd\n", "name service cache", "note a name service cache is running: nsncd answers for glibc; it keeps nothing"},
		"shadow names us":         {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\nshadow: files sallyport\n", "name service", `warning /etc/nsswitch.conf: the line "shadow" names sallyport`},
		"subid of another":        {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\nsubid: sss\n", "subordinate ids", `note nsswitch.conf: "subid" names sss`},
		"our old subid line":      {"/etc/nsswitch.conf", "passwd: files sallyport\ngroup: files sallyport\nsubid: sallyport\n", "subordinate ids", `problem nsswitch.conf has the line "subid: sallyport"`},
		"a range not in the file": {"/var/lib/sallyport/subids", "1900000000:600113152:65536\n", "subordinate ids", `warning the subordinate ids of 1 people have not reached`},
		"a range of another":      {"/var/lib/sallyport/subids", "1900000000:700000000:65536\n", "subordinate ids", `warning uid 1900000000 has no subordinate ids: 700000000-700065535 overlaps`},
		"no subuid":               {"/etc/subuid", "-", "subordinate ids", `note /etc/subuid does not exist`},
		"a list that is none":     {"/var/lib/sallyport/subids", "root:x\n", "subordinate ids", `warning the daemon's list of subordinate ids cannot be read`},
		"no snapshot":             {"/var/cache/sallyport/directory", "-", "directory", "problem The directory snapshot cannot be published"},
		"a damaged snapshot":      {"/var/cache/sallyport/directory", "SALLYDIR", "directory", "problem The directory snapshot is damaged"},
		"an outdated one":         {"/var/cache/sallyport/directory", directory(time.Now().Add(-time.Hour)), "directory", "problem The directory snapshot is out of date since"},
		"an old user database":    {"/run/systemd/userdb/io.sallyport", "", "user database", "problem an earlier version of Sallyport left"},
		"no configuration":        {"/etc/sallyport/sallyportd.toml", "-", "configuration", "problem "},
		"typo in configuration":   {"/etc/sallyport/sallyportd.toml", "[machin]\n", "configuration", "problem "},
		"no CA":                   {"/etc/sallyport/server-ca.pem", "-", "server", "problem The file by which this machine recognises the server cannot be read"},
		"a CA that is none":       {"/etc/sallyport/server-ca.pem", "x", "server", "problem /etc/sallyport/server-ca.pem holds neither a realm key nor a certificate"},
		"no daemon":               {"/unrelated", "", "daemon", "problem The daemon does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			if files[c.path] = c.text; c.text == "-" {
				delete(files, c.path)
			}
			got := of(host(t, files, sshdSound).Examine(t.Context()), c.check)
			if !strings.HasPrefix(got, c.want) || strings.Contains(got, "NO MEND") || strings.Contains(got, "A PLACE IS EMPTY") {
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
		"no command": {"/usr/bin/sallyport-keys %u", "none", "problem sshd does not run sallyport-keys"},
		"gone":       {"/usr/bin/sallyport-keys %u", "/usr/bin/setpriv sallyport-keys", "problem sshd asks /usr/bin/setpriv for keys, which is not there"},
		"another":    {"/usr/bin/sallyport-keys %u", "/usr/bin/keys", "warning sshd asks /usr/bin/keys and not"},
		"as root":    {"authorizedkeyscommanduser sallyport-keys", "authorizedkeyscommanduser root", "warning sshd runs sallyport-keys as"},
		"one prompt": {"kbdinteractiveauthentication yes", "kbdinteractiveauthentication no", "note sshd accepts no passwords"},
		"one line":   {"kbdinteractiveauthentication yes", "passwordauthentication yes\nkbdinteractiveauthentication no", "note sshd asks for one line only"},
		"two no":     {"kbdinteractiveauthentication yes", "", "note sshd accepts no passwords"},
	} {
		t.Run(name, func(t *testing.T) {
			got := of(host(t, sound(), strings.Replace(sshdSound, c.line, c.with, 1)).Examine(t.Context()), "sshd")
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("found %q, want %q…", got, c.want)
			}
		})
	}
}

func TestWhereAnotherKeysCommandComesFromIsSeen(t *testing.T) {
	const own = "/etc/ssh/sshd_config.d/10-own.conf"
	for name, c := range map[string]struct{ file, command, want, mend string }{
		"systemd's own":           {"/etc/ssh/sshd_config.d/20-systemd-userdb.conf", "/usr/bin/userdbctl ssh-authorized-keys %u", "sshd does not run sallyport-keys", "sudo /usr/share/sallyport/configure-host enable"},
		"systemd's, by their own": {own, "/usr/bin/userdbctl ssh-authorized-keys %u", "sshd asks /usr/bin/userdbctl", "Let that command also run"},
		"none, by their own":      {own, "none", "sshd does not run sallyport-keys", "sudo sed -i '2s/^/#/' " + own + " && sudo /usr/share/sallyport/configure-host enable"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			files["/etc/ssh/sshd_config"] = "Include /etc/ssh/sshd_config.d/*.conf\n"
			files[c.file] = "# a comment\nAuthorizedKeysCommand " + c.command + "\n"
			for _, f := range host(t, files, strings.Replace(sshdSound, "/usr/bin/sallyport-keys %u", c.command, 1)).Examine(t.Context()) {
				if f.Check == "sshd" && strings.HasPrefix(f.Detail, c.want) && strings.HasPrefix(f.Mend, c.mend) {
					return
				}
			}
			t.Errorf("no %q with the mend %q", c.want, c.mend)
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

// Promise kanidm-migration-files.
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

// Promise clock-no-forgery.
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
		"clock behind":    {ca, func() time.Time { return time.Now().Add(-time.Hour - 2*time.Second) }, "problem This machine's clock is wrong: it says "},
		"near its end":    {ca, func() time.Time { return s.Certificate().NotAfter.Add(-time.Hour) }, "problem This machine's clock is wrong: it says 2084"},
		"expired":         {ca, func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }, "problem This machine's clock is wrong: it says 2084"},
		"someone else":    {selfSigned(t), time.Now, "problem The certificate shown at"},
		"nobody is there": {ca, nil, "problem The machine at 127.0.0.1:1 is up and refuses the connection"},
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
