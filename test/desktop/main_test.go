package desktop

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	ada     = "ada" // holds a one-time code
	adaPass = "correct horse battery"
	bob     = "bob" // holds a password alone
	bobPass = "bobs long password"
	bobNext = "bobs password of tomorrow"
	olga    = "olga" // has expired, and ada's password: see [seat.expired]
	cleo    = "cleo" // holds a one-time code, and was never here: see [seat.absent]
	lena    = "lena" // local
	// lenaPass is unlike the others, so that nobody gets in by a mix-up.
	lenaPass = "lenas own words"
	server   = " --dir /var/lib/sallyport-server"
)

func TestMain(m *testing.M) {
	if os.Getenv(rootFolder) == "" {
		fmt.Fprintf(os.Stderr, "%s names no root folder: run these tests by \"make test-desktop\"\n", rootFolder)
		os.Exit(1)
	}
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rootFolder is the variable that says where the root folder is.
const rootFolder = "SALLYPORT_TEST_ROOT"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seat is a machine with a screen and a keyboard, and a realm that it has joined.
type seat struct {
	*machine.Booted
	manager  manager
	t        *testing.T
	album    string // where the pictures go
	pictures int
}

// xorg is a screen of 1024x768 without hardware.
const xorg = `Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoAddGPU" "false"
EndSection
Section "Device"
  Identifier "d"
  Driver "dummy"
  VideoRam 65536
EndSection
Section "Monitor"
  Identifier "m"
  HorizSync 5.0-1000.0
  VertRefresh 5.0-200.0
  Modeline "1024x768" 65.0 1024 1048 1184 1344 768 771 777 806 -hsync -vsync
EndSection
Section "Screen"
  Identifier "s"
  Device "d"
  Monitor "m"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "1024x768"
    Virtual 1024 768
  EndSubSection
EndSection
`

// furnished is a machine with our build, a display manager and a local person, before it boots.
func furnished(t *testing.T, by manager) *machine.Realm {
	t.Helper()
	m, err := machine.Over(os.Getenv(rootFolder))
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &machine.Realm{Machine: m}
	must(t, r.Install(t.Context()))
	files := map[string]string{
		"/etc/hostname":                       "desk\n",
		"/etc/hosts":                          "127.0.0.1 localhost desk\n",
		"/etc/default/locale":                 "LANG=C.UTF-8\n",
		"/etc/X11/xorg.conf.d/10-dummy.conf":  xorg,
		"/etc/X11/default-display-manager":    by.program + "\n",
		"/etc/ssh/sshd_config.d/90-test.conf": "ListenAddress 127.0.0.1\n",
	}
	maps.Copy(files, by.files)
	for path, text := range files {
		must(t, r.WriteFile(path, text, 0o644))
	}
	_, err = r.Script(t.Context(), `
		ln -sf /lib/systemd/system/`+by.unit+`.service /etc/systemd/system/display-manager.service
		if command -v dconf >/dev/null; then dconf update; fi
		useradd -m -s /bin/bash `+lena+`
		printf '%s:%s\n' `+lena+` '`+lenaPass+`' | chpasswd`)
	must(t, err)
	return r
}

// seated boots a machine, makes a realm of its own on it, and waits for the greeter.
func seated(t *testing.T, by manager) *seat {
	t.Helper()
	r := furnished(t, by)
	nspawn := []string{"--capability=CAP_IPC_LOCK"}
	for n := range 9 {
		nspawn = append(nspawn, fmt.Sprintf("--bind=/dev/tty%d", n))
	}
	repo, err := machine.RepoRoot()
	must(t, err)
	s := &seat{manager: by, t: t, album: filepath.Join(repo, "build", "desktop", strings.ReplaceAll(t.Name(), "/", "-"))}
	must(t, os.RemoveAll(s.album))
	must(t, os.MkdirAll(s.album, 0o755))
	began := time.Now()
	s.Booted, err = r.BootWith(t.Context(), machine.Extras{Units: append([]string{"systemd-userdbd.socket"}, by.enabled...), Nspawn: nspawn})
	must(t, err)
	t.Cleanup(func() { s.leave() })
	t.Logf("booted in %s", time.Since(began).Round(time.Second))
	s.realm()
	s.in("systemctl start " + by.unit)
	s.sees(greeter, by.question)
	t.Logf("at the greeter after %s", time.Since(began).Round(time.Second))
	return s
}

// leave says what the machine wrote, and lets systemd put the terminals back.
func (s *seat) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if journal, err := s.In(ctx, "journalctl -b --no-pager -o short-monotonic"); err == nil {
		_ = os.WriteFile(filepath.Join(s.album, "journal.txt"), []byte(journal), 0o600)
	}
	if log, err := os.ReadFile(s.Path("/var/log/lightdm/lightdm.log")); err == nil {
		_ = os.WriteFile(filepath.Join(s.album, "lightdm.txt"), log, 0o600)
	}
	_, _ = s.In(ctx, "systemctl stop display-manager")
}

// run is [testing.T.Run] at this seat.
func (s *seat) run(name string, play func(t *testing.T)) {
	outer := s.t
	outer.Run(name, func(t *testing.T) {
		s.t = t
		defer func() { s.t = outer }()
		play(t)
	})
}

// in runs lines of sh as root.
func (s *seat) in(lines string) string {
	s.t.Helper()
	out, err := s.In(s.t.Context(), lines)
	must(s.t, err)
	return out
}

// until asks again until there is no error.
func (s *seat) until(ask func() error) {
	s.t.Helper()
	must(s.t, s.Eventually(s.t.Context(), ask))
}

// untilIn waits until lines of sh succeed.
func (s *seat) untilIn(lines string) {
	s.t.Helper()
	s.until(func() error {
		_, err := s.In(s.t.Context(), lines)
		return err
	})
}

var (
	joinCode        = regexp.MustCompile(`"code":\s*"([^"]+)"`)
	joinFingerprint = regexp.MustCompile(`"fingerprint":\s*"([^"]+)"`)
)

// realm makes a server on this machine, with ada and bob in it, and joins the machine.
func (s *seat) realm() {
	s.t.Helper()
	s.in(`
		install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
		runuser -u sallyport-server -- sallyport-server init --realm example --listen 127.0.0.1:8443` + server + `
		systemctl start sallyport-server
		for n in ` + ada + ` ` + bob + `; do sallyport-server account add $n --full-name "Person $n"` + server + `; done
		echo '` + adaPass + `' | sallyport-server account set-password ada` + server + `
		echo '` + bobPass + `' | sallyport-server account set-password bob` + server + `
		sallyport-server group add crew` + server + `
		for n in ` + ada + ` ` + bob + `; do sallyport-server group add-member crew $n` + server + `; done`)
	out := s.in("sallyport-server machine add desk --json" + server)
	code, pin := joinCode.FindStringSubmatch(out), joinFingerprint.FindStringSubmatch(out)
	if code == nil || pin == nil {
		s.t.Fatalf("machine add printed %s", out)
	}
	s.in(fmt.Sprintf("sallyport join --server https://127.0.0.1:8443 --code '%s' --fingerprint '%s' --yes --no-host", code[1], pin[1]))
	s.in("systemctl start sallyportd.socket sallyportd sallyport-subids.path")
	s.online()
	s.untilIn("getent passwd ada && getent passwd bob")
	s.sets("offline", fmt.Sprintf("tries = %d", tries))
}

func (s *seat) online() {
	s.t.Helper()
	s.untilIn(`sallyport status --json | grep -q '"state": "online"'`)
}

// back starts the server again, and has the daemon look for it at once: it would within half a minute.
func (s *seat) back() {
	s.t.Helper()
	s.in("systemctl start sallyport-server; systemctl reload sallyportd")
	s.online()
}

func (s *seat) offline() {
	s.t.Helper()
	s.untilIn(`sallyport status --json | grep -q '"state": "offline"'`)
}

// phone is the authenticator app on ada's telephone.
type phone struct {
	secret string
	last   int64 // time step whose code was used
}

// enrol gives ada a one-time code, in place of any earlier one.
func (s *seat) enrol() *phone {
	s.t.Helper()
	var out struct {
		URL string `json:"otpauth_url"`
	}
	must(s.t, json.Unmarshal([]byte(s.in("sallyport-server account add-totp ada --generate --json"+server)), &out))
	u, err := url.Parse(out.URL)
	must(s.t, err)
	p := &phone{secret: u.Query().Get("secret")}
	if p.secret == "" {
		s.t.Fatalf("add-totp printed %q", out.URL)
	}
	return p
}

// code is one that was not used yet. The clock of this telephone may go ahead by half a minute: so a
// person who has just used one need not wait for the next, and then has to for that behind it.
func (s *seat) code(p *phone) string {
	s.t.Helper()
	const step = identity.TOTPPeriod
	next := max(p.last+1, time.Now().Unix()/step)
	s.until(func() error {
		if wait := next - identity.TOTPDrift - time.Now().Unix()/step; wait > 0 {
			return fmt.Errorf("the telephone is %d steps ahead", wait)
		}
		return nil
	})
	p.last = next
	c, err := totp.GenerateCode(p.secret, time.Unix(next*step, 0))
	must(s.t, err)
	return c
}

// wrong is a code that is none of this hour.
func (s *seat) wrong(p *phone) string {
	s.t.Helper()
	c, err := totp.GenerateCode(p.secret, time.Now().Add(-time.Hour))
	must(s.t, err)
	return c
}

// mustChange asks bob for a new password at the next sign-in, and waits until this
// machine knows.
func (s *seat) mustChange() {
	s.t.Helper()
	revision := "sallyport explain " + bob + " | grep -o 'revision [0-9]*'"
	before := strings.TrimSpace(s.in(revision))
	s.in("sallyport-server account set " + bob + " --must-change=true" + server)
	s.untilIn(revision + " | grep -vx '" + before + "'")
}

// absent adds cleo.
func (s *seat) absent() {
	s.t.Helper()
	s.in("sallyport-server account add " + cleo + server + "; echo '" + adaPass + "' | sallyport-server account set-password " + cleo + server +
		"; sallyport-server account add-totp " + cleo + " --generate" + server)
	s.untilIn("getent passwd " + cleo)
}

// tries is how many wrong answers lock a place while the server is away.
const tries = 3

// sets puts a line into a table of the daemon's settings, in place of what is there.
func (s *seat) sets(table, line string) {
	s.t.Helper()
	const settings = "/etc/sallyport/sallyportd.toml"
	const readAnew = "journalctl -b -u sallyportd -o cat --no-pager | grep -c 'read anew'"
	before := s.count(readAnew)
	s.in("sed -i '/^\\[" + table + "\\]/,/^$/d' " + settings + "; printf '\\n[" + table + "]\\n" + line + "\\n\\n' >> " + settings + "; systemctl reload sallyportd")
	s.untilIn(fmt.Sprintf("test $(%s) -gt %d", readAnew, before))
	s.online()
}

// expired adds olga.
func (s *seat) expired() {
	s.t.Helper()
	s.in("sallyport-server account add " + olga + " --valid-until 2020-01-01T00:00:00Z" + server +
		"; echo '" + adaPass + "' | sallyport-server account set-password " + olga + server)
	s.untilIn("getent passwd " + olga)
}
