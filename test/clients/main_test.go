package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	ada      = "ada" // holds a password alone
	adaPass  = "correct horse battery"
	carol    = "carol" // holds a one-time code besides
	carolPas = "carols long password"
	lena     = "lena" // local
	lenaPass = "lenas own words"
	adaKey   = "/root/ada_key"
	server   = " --dir /var/lib/sallyport-server"
)

// rootFolder is the variable that says where the root folder is.
const rootFolder = "SALLYPORT_TEST_ROOT"

func TestMain(m *testing.M) {
	if os.Getenv(rootFolder) == "" {
		fmt.Fprintf(os.Stderr, "%s names no root folder: run these tests by \"make test-clients\"\n", rootFolder)
		os.Exit(1)
	}
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host is a machine that has joined a realm of its own, where ada and carol are.
type host struct {
	*machine.Booted
	t     *testing.T
	phone *phone
}

// wants are what a test's machine is to have.
type wants struct {
	settings string   // lines at the end of sallyportd.toml
	units    []string // of systemd, that run
	files    map[string]string
	proxy    string // by which it reaches its server
}

// joined boots a machine, makes a realm on it, and joins it.
func joined(t *testing.T, w wants) *host {
	t.Helper()
	m, err := machine.Over(os.Getenv(rootFolder))
	must(t, err)
	h := &host{t: t}
	t.Cleanup(func() {
		if t.Failed() && h.Booted != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			log, err := h.In(ctx, "journalctl -b --no-pager -o short-monotonic -n 400")
			t.Logf("the journal (%v):\n%s", err, log)
		}
		must(t, m.Close())
	})
	must(t, m.Install(t.Context()))
	files := map[string]string{
		"/etc/hostname":                       "desk\n",
		"/etc/hosts":                          "127.0.0.1 localhost desk\n",
		"/etc/ssh/sshd_config.d/90-test.conf": "ListenAddress 127.0.0.1\n",
		"/etc/sudoers.d/crew":                 "%crew ALL=(ALL) ALL\n",
	}
	for _, more := range []map[string]string{files, w.files} {
		for path, text := range more {
			must(t, m.WriteFile(path, text, 0o644))
		}
	}
	_, err = m.Script(t.Context(), `
		chmod 0440 /etc/sudoers.d/crew
		ssh-keygen -q -t ed25519 -N '' -f `+adaKey+`
		useradd -m -s /bin/bash `+lena+`
		printf '%s:%s\n' `+lena+` '`+lenaPass+`' | chpasswd
`)
	must(t, err)
	h.Booted, err = m.BootWith(t.Context(), machine.Extras{Units: []string{"systemd-userdbd.socket"}})
	must(t, err)
	h.realm(w)
	for _, u := range w.units {
		h.in("systemctl start " + u)
	}
	return h
}

// scene is [testing.T.Run] on this host.
func (h *host) scene(name string, play func()) {
	outer := h.t
	outer.Run(name, func(t *testing.T) {
		h.t = t
		defer func() { h.t = outer }()
		play()
	})
}

// in runs lines of sh as root, and stops at the first that fails.
func (h *host) in(lines string) string {
	h.t.Helper()
	out, err := h.In(h.t.Context(), lines)
	must(h.t, err)
	return out
}

// until asks again until there is no error.
func (h *host) until(ask func() error) {
	h.t.Helper()
	must(h.t, h.Eventually(h.t.Context(), ask))
}

// untilIn waits until lines of sh succeed.
func (h *host) untilIn(lines string) {
	h.t.Helper()
	h.until(func() error {
		_, err := h.In(h.t.Context(), lines)
		return err
	})
}

var (
	joinCode        = regexp.MustCompile(`"code":\s*"([^"]+)"`)
	joinFingerprint = regexp.MustCompile(`"fingerprint":\s*"([^"]+)"`)
)

// realm makes a server on this machine, and joins the machine.
func (h *host) realm(w wants) {
	h.t.Helper()
	h.in(`
		install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
		runuser -u sallyport-server -- sallyport-server init --realm example --listen 127.0.0.1:8443` + server + `
		systemctl start sallyport-server
		sallyport-server group add crew --offline-codes` + server + `
		for n in ` + ada + ` ` + carol + `; do
			sallyport-server account add $n --full-name "Person $n"` + server + `
			sallyport-server group add-member crew $n` + server + `
			sallyport-server account add-key $n --tag laptop` + server + ` <` + adaKey + `.pub
		done
		echo '` + adaPass + `' | sallyport-server account set-password ` + ada + server + `
		echo '` + carolPas + `' | sallyport-server account set-password ` + carol + server)
	h.enrol()
	h.in("sallyport-server machine add desk --offline-codes --json" + server + " >/root/joining")
	h.join(w.proxy)
	if w.settings != "" {
		h.in("cat >>/etc/sallyport/sallyportd.toml <<'EOF'\n" + w.settings + "\nEOF\nsystemctl restart sallyportd")
	}
	h.online()
	h.untilIn("getent passwd " + ada + " && getent passwd " + carol)
}

// join joins this machine, by a proxy if there is one.
func (h *host) join(proxy string) {
	h.t.Helper()
	options := ""
	if proxy != "" {
		options = "--proxy " + proxy
		h.in("systemctl start tinyproxy; until nc -z 127.0.0.1 8888; do :; done")
	}
	out := h.in("cat /root/joining")
	code, pin := joinCode.FindStringSubmatch(out), joinFingerprint.FindStringSubmatch(out)
	if code == nil || pin == nil {
		h.t.Fatalf("machine add printed %s", out)
	}
	h.in(fmt.Sprintf("sallyport join --server https://127.0.0.1:8443 --code '%s' --fingerprint '%s' --yes --no-host %s", code[1], pin[1], options))
	h.in("systemctl start sallyportd.socket sallyportd sallyport-subids.path")
}

func (h *host) online() {
	h.t.Helper()
	h.untilIn(`sallyport status --json | grep -q '"state": "online"'`)
}

// offline takes the server away.
func (h *host) offline() {
	h.t.Helper()
	h.in("systemctl stop sallyport-server")
	h.untilIn(`sallyport status --json | grep -q '"state": "offline"'`)
}

// phone is the authenticator app on carol's telephone.
type phone struct{ secret, last string }

// enrol gives carol a one-time code.
func (h *host) enrol() {
	h.t.Helper()
	var out struct {
		URL string `json:"otpauth_url"`
	}
	must(h.t, json.Unmarshal([]byte(h.in("sallyport-server account add-totp "+carol+" --generate --json"+server)), &out))
	u, err := url.Parse(out.URL)
	must(h.t, err)
	h.phone = &phone{secret: u.Query().Get("secret")}
	if h.phone.secret == "" {
		h.t.Fatalf("add-totp printed %q", out.URL)
	}
}

// code is one that was not used yet. A person who has just used one waits for the next.
func (h *host) code() string {
	h.t.Helper()
	h.until(func() error {
		c, err := totp.GenerateCode(h.phone.secret, time.Now())
		if err == nil && c == h.phone.last {
			err = errors.New("the telephone still shows the last code")
		}
		if err == nil {
			h.phone.last = c
		}
		return err
	})
	return h.phone.last
}
