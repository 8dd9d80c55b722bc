package hop

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func TestSSHsOwnCommandLineIsRead(t *testing.T) {
	for line, want := range map[string]Line{
		"web1":                        {Args: []string{"web1"}, Host: "web1"},
		"-p 2222 -4 web1 ls -l":       {Args: []string{"-p", "2222", "-4", "web1", "ls", "-l"}, Host: "web1"},
		"web1 -p 2222 ls -F":          {Args: []string{"web1", "-p", "2222", "ls", "-F"}, Host: "web1"},
		"-F conf web1":                {Args: []string{"web1"}, Config: "conf", Host: "web1"},
		"-4Fconf -Wx:1 ada@web1":      {Args: []string{"-4", "-Wx:1", "ada@web1"}, Config: "conf", Host: "ada@web1", Stdio: true},
		"-4vp22 web1":                 {Args: []string{"-4vp22", "web1"}, Host: "web1"},
		"-- web1 -p 22":               {Args: []string{"--", "web1", "-p", "22"}, Host: "web1"},
		"-oProxyJump=b -J c,d web1 x": {Args: []string{"-oProxyJump=b", "-J", "c,d", "web1", "x"}, Host: "web1"},
	} {
		got, err := Parse(strings.Fields(line))
		if err != nil || !slices.Equal(got.Args, want.Args) || got.Config != want.Config || got.Host != want.Host || got.Stdio != want.Stdio {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"", "-p", "-p 22", "-z web1", "--", "-F"} {
		if got, err := Parse(strings.Fields(line)); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
}

// planned is where ssh would go by a configuration.
func planned(t *testing.T, config string, words ...string) (Route, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Parse(words)
	if err != nil {
		return Route{}, err
	}
	l.Config = file
	return Plan(t.Context(), "ssh", l)
}

func TestSSHItselfSaysWhereItWouldGo(t *testing.T) {
	config := "Host web\n HostName web1.example.org\n User ada\n ProxyJump gate\nHost gate\n HostName gate.example.org\n Port 2200\nHost far\n ProxyJump web\nHost *\n User bob\n"
	for words, want := range map[string]string{
		"plain":                     "bob@plain:22",
		"eve@plain -p 7":            "eve@plain:7",
		"web":                       "bob@gate.example.org:2200 ada@web1.example.org:22",
		"far":                       "bob@gate.example.org:2200 ada@web1.example.org:22 bob@far:22",
		"-J a,eve@b:99 plain":       "bob@a:22 eve@b:99 bob@plain:22",
		"-J none web":               "ada@web1.example.org:22",
		"-J ssh://eve@b:99 plain":   "eve@b:99 bob@plain:22",
		"-J [2001:db8::1]:99 plain": "bob@2001:db8::1:99 bob@plain:22",
		"2001:db8::2":               "bob@2001:db8::2:22",
	} {
		r, err := planned(t, config, strings.Fields(words)...)
		var got []string
		for _, h := range r.Hops {
			got = append(got, h.User+"@"+h.Host+":"+strconv.Itoa(int(h.Port)))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", words, got, err, want)
		}
	}
	for words, want := range map[string][]string{
		"plain": nil, "-L 1:x:2 plain": {"local"}, "-D 1080 plain": {"local"}, "-W x:1 plain": {"local"},
		"-R 1:x:2 plain": {"remote"}, "-X plain": {"x11"}, "-R 1:x:2 -L 1:x:2 plain": {"local", "remote"},
	} {
		if r, err := planned(t, config, strings.Fields(words)...); err != nil || !slices.Equal(r.Forward, want) {
			t.Errorf("%s: forwards %v, %v; want %v", words, r.Forward, err, want)
		}
	}
}

// runtimeFolder is one whose path leaves room for a socket's.
func runtimeFolder(t *testing.T) {
	t.Helper()
	folder, err := os.MkdirTemp("", "hop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	t.Setenv("XDG_RUNTIME_DIR", folder)
}

func TestANameThatMeansSomethingElseIsNoHost(t *testing.T) {
	for _, name := range []string{"-oProxyCommand=x", "a b", "a;b", "$(x)", "a'b", `a"b`, "*", "a?", "!a", "%h", "a/b", "a\nb", "a#b", strings.Repeat("x", 256)} {
		if r, err := planned(t, "", "--", name); err == nil {
			t.Errorf("%q: %+v", name, r)
		}
		if r, err := planned(t, "Host x\n HostName "+strings.ReplaceAll(name, "\n", " ")+"\n", "x"); err == nil && r.Hops[0].Host == name {
			t.Errorf("host name %q: %+v", name, r)
		}
	}
	if r, err := planned(t, "", "-J", strings.TrimSuffix(strings.Repeat("j,", MaxHops), ","), "x"); err == nil {
		t.Errorf("a chain that is too long: %+v", r)
	}
	if r, err := planned(t, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n", "a"); err == nil {
		t.Errorf("a chain without an end: %+v", r)
	}
}

func TestThePrivateKeyIsInMemoryAloneAndGoneWithTheCommand(t *testing.T) {
	runtimeFolder(t)
	k, err := NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, authority, _ := ed25519.GenerateKey(nil)
	signer, err := ssh.NewSignerFromSigner(authority)
	if err != nil {
		t.Fatal(err)
	}
	c := &ssh.Certificate{Key: k.Public, CertType: ssh.UserCert, ValidPrincipals: []string{"p"}, ValidBefore: uint64(time.Now().Add(time.Hour).Unix())}
	if err := c.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	l, _ := Parse([]string{"-F", "/dev/null", "web1", "true"})
	route := Route{Hops: []Hop{{Typed: "web1", Host: "web1", Port: 22, User: "ada"}}}
	cmd, err := k.Command(t.Context(), "ssh", l, route, []Admission{{Certificate: c, Alias: "alias"}}, []ssh.PublicKey{signer.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cmd.Args, []string{"ssh", "-F", k.path("config"), "web1", "true"}) {
		t.Errorf("ssh is run as %q", cmd.Args)
	}
	files, _ := os.ReadDir(k.folder)
	for _, f := range files {
		if text, _ := os.ReadFile(k.path(f.Name())); strings.Contains(string(text), "PRIVATE") {
			t.Errorf("%s holds a private key", f.Name())
		}
	}
	if info, err := os.Stat(k.folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	conn, err := net.Dial("unix", k.socket())
	if err != nil {
		t.Fatal(err)
	}
	a := agent.NewClient(conn)
	list, err := a.List()
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Marshal(), k.Public.Marshal()) {
		t.Errorf("the agent has %v, %v", list, err)
	}
	if _, err := a.Sign(k.Public, []byte("x")); err != nil {
		t.Error(err)
	}
	if a.Add(agent.AddedKey{PrivateKey: authority}) == nil || a.RemoveAll() == nil || a.Lock([]byte("x")) == nil {
		t.Error("the agent takes orders")
	}
	_ = conn.Close()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(k.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is left: %v", err)
	}
}

// What ssh understands of the configuration is what was meant.
func TestSSHReadsEachHopsPartOfTheConfiguration(t *testing.T) {
	runtimeFolder(t)
	k, err := NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("Host web1\n IdentityFile /x\n ForwardAgent yes\n StrictHostKeyChecking no\n Compression yes\n HostKeyAlias mine\nHost other\n IdentityFile /y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &ssh.Certificate{Key: k.Public, SignatureKey: k.Public, Signature: &ssh.Signature{Format: "ssh-ed25519", Blob: make([]byte, 64)}}
	l := Line{Args: []string{"web1"}, Config: own, Host: "web1"}
	route := Route{Hops: []Hop{{Typed: "gate", Host: "gate", Port: 22, User: "ada"}, {Typed: "web1", Host: "web1", Port: 22, User: "ada"}}}
	cmd, err := k.Command(context.Background(), "ssh", l, route, []Admission{{c, "alias-gate", nil}, {c, "alias-web", []ssh.PublicKey{k.Public}}}, []ssh.PublicKey{k.Public})
	if err != nil {
		t.Fatal(err)
	}
	says := func(host string) string {
		out, err := exec.Command("ssh", "-G", "-F", cmd.Args[2], host).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	for host, wants := range map[string][]string{
		"web1":  {"hostkeyalias alias-web", "forwardagent no", "stricthostkeychecking true", "identitiesonly yes", "compression yes", "hop2-cert.pub", "identityagent " + k.socket()},
		"gate":  {"hostkeyalias alias-gate", "hop1-cert.pub", "identitiesonly yes"},
		"other": {"identityfile /y", "stricthostkeychecking ask"},
	} {
		got := says(host)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: not %q in:\n%s", host, want, got)
			}
		}
	}
	knows := func(alias string) string {
		out, _ := exec.Command("ssh-keygen", "-F", alias, "-f", k.path("known_hosts")).Output() // 1: it is not there
		return string(out)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.Public)))
	if got := knows("alias-gate"); !strings.Contains(got, "@cert-authority alias-gate "+line) || strings.Contains(got, "\nalias-gate ") {
		t.Errorf("the gate is known by:\n%s", got)
	}
	if got := knows("alias-web"); !strings.Contains(got, "@cert-authority alias-web "+line) || !strings.Contains(got, "\nalias-web "+line) {
		t.Errorf("web1 is known by:\n%s", got)
	}
	if knows("web1") != "" {
		t.Error("a host is known by its name")
	}
	if strings.Contains(says("other"), "hop") {
		t.Error("a host that is not gone through is offered a certificate")
	}
}
