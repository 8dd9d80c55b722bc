package application_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application"
)

// restarting is a network on which the server ends and comes back before each message.
type restarting struct{ i instance }

// RoundTrip implements http.RoundTripper.
func (n restarting) RoundTrip(req *http.Request) (*http.Response, error) {
	r := n.i.r
	folder := string(r.Dir)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("end: %w", err)
	}
	r.Open(folder)
	r.serve()
	n.i.point(r)
	return n.i.RoundTrip(req)
}

func TestAServerThatRestartsBetweenAllStepsLosesNothing(t *testing.T) {
	r := newRig(t)
	i := r.unknown()
	i.HTTP.Transport = restarting{i}
	r.Must(i.Init(t.Context(), r.shipped, r.server()))
	s := i.alice()
	if got := r.does(s, message.Create, text("notes/one", "first", 0)); !got.Done {
		t.Errorf("%+v", got)
	}
	if got := r.does(s, message.Read, about("notes/one", 0)); string(got.Value) != `"first"` {
		t.Errorf("%+v", got)
	}
	if len(i.sent) != 8 {
		t.Errorf("%d restarts", len(i.sent))
	}
}

// Promise application-result-once.
func TestWhatEndsBetweenAJobAndItsResultKeepsTheResult(t *testing.T) {
	for _, what := range []string{"the instance is revoked", "the key is revoked", "the account is disabled", "the application is disabled"} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			i, other := r.announced(), r.announced()
			s, elsewhere := i.alice(), other.alice()
			_ = r.does(elsewhere, message.Create, text("notes/one", "first", 0))
			job, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
			r.Must(nil, err)
			c := r.changes(i)[what]
			c.end()
			_, err = s.Fetch(t.Context(), job)
			r.wants("its result", err, c.cause)
			if c.again != nil {
				return
			}
			if got := r.does(elsewhere, message.Read, about("notes/one", 0)); !got.Done {
				t.Errorf("at another instance: %+v", got)
			}
			_, err = elsewhere.Fetch(t.Context(), job)
			r.wants("its result, at another instance", err, application.JobUnknown)
		})
	}
}

// Promise application-clock.
func TestAClockThatIsWrongIsNamedWithTheServersTime(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	right := i.Now
	for what, off := range map[string]time.Duration{"behind": -121 * time.Second, "ahead": 121 * time.Second, "a year behind": -365 * 24 * time.Hour} {
		i.Now = func() time.Time { return right().Add(off) }
		_, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
		r.wants(what, err, application.Clock)
		if err == nil || !strings.Contains(err.Error(), r.Now().UTC().Format(time.RFC3339)) || !strings.Contains(err.Error(), "120") {
			t.Errorf("%s: %v", what, err)
		}
	}
	i.Now = right
	if got := r.does(s, message.Create, text("notes/one", "x", 0)); !got.Done {
		t.Errorf("the clock is set: %+v", got)
	}
}

func TestAThousandHalfDoneHandshakesKeepNoInstanceOut(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	_ = r.does(s, message.Create, text("notes/one", "x", 0))
	app := r.application()
	for n := range 1000 {
		_ = r.hello(app)
		if n%250 != 0 {
			continue
		}
		if got := r.does(s, message.Read, about("notes/one", 0)); !got.Done {
			t.Errorf("after %d: %+v", n, got)
		}
		_ = r.announced()
	}
}

// Promise application-order.
func TestTheLongestValueIsCarriedAndALongerOneIsNot(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	long := strings.Repeat("x", 32<<10-2) // with its quotes, as JSON
	if got := r.does(s, message.Create, text("notes/long", long, 0)); !got.Done {
		t.Fatalf("%+v", got)
	}
	if got := r.does(s, message.Read, about("notes/long", 0)); len(got.Value) != 32<<10 {
		t.Errorf("%d bytes came back", len(got.Value))
	}
	_, err := s.Order(t.Context(), message.Create, text("notes/longer", long+"x", 0))
	r.wants("longer", err, application.Malformed)
	if _, err := s.Order(t.Context(), message.Create, text("notes/huge", strings.Repeat("x", 1<<20), 0)); err == nil {
		t.Error("a megabyte is taken")
	}
	if got := r.does(s, message.Read, about("notes/long", 0)); !got.Done {
		t.Errorf("and the next: %+v", got)
	}
}

// gnupg is a real gpg with a folder of its own, at the realm's time.
type gnupg struct {
	r    *rig
	home string
}

func (r *rig) gnupg() gnupg {
	r.T.Helper()
	home, err := os.MkdirTemp("", "gpg") // a short path: gpg-agent has its socket there
	r.Must(nil, err)
	r.T.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return gnupg{r, home}
}

// run runs it, and returns what it prints.
func (g gnupg) run(stdin string, args ...string) string {
	g.r.T.Helper()
	c := exec.Command("gpg", append([]string{
		"--homedir", g.home, "--batch", "--no-tty", "--quiet", "--trust-model", "always", "--faked-system-time", g.r.Now().UTC().Format("20060102T150405"),
		"--pinentry-mode", "loopback", "--passphrase", "",
	}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	g.r.Must(nil, err)
	return string(out)
}

// Promise application-weak-keys.
func TestAKeyWithARevocationThatGnuPGMadeIsBoundNowhere(t *testing.T) {
	r := newRig(t)
	g := r.gnupg()
	g.run("", "--quick-generate-key", "instance", "ed25519", "cert,sign", "never")
	list := strings.Split(strings.SplitAfter(g.run("", "--with-colons", "--list-keys", "instance"), "\nfpr:")[1], ":")
	fingerprint := list[8]
	g.run("", "--quick-add-key", fingerprint, "cv25519", "encr", "never")
	before := g.run("", "--armor", "--export", fingerprint)
	certificate := strings.Replace(readFile(t, filepath.Join(g.home, "openpgp-revocs.d", fingerprint+".rev")), ":-----BEGIN", "-----BEGIN", 1)
	g.run(certificate, "--import")
	revoked := g.run("", "--armor", "--export", fingerprint)
	app := r.application()
	bind := func(public string) application.Cause {
		code := r.hello(app)
		b, status := r.service.Answer(t.Context(), r.sealed(r.craft(app, message.InstanceKey), message.InstanceKeyBody{Code: code, Key: public}))
		if status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		m, err := message.ReadSigned(b)
		if err != nil {
			return "" // it is encrypted to the instance
		}
		e, err := message.Decode(m.Claims)
		r.Must(nil, err)
		var no message.RefusedBody
		r.Must(nil, message.Strict(e.Body, &no))
		return application.Cause(no.Cause)
	}
	if got := bind(revoked); got != application.BadKey {
		t.Errorf("revoked: %q", got)
	}
	if got := bind(before); got != "" {
		t.Errorf("as it was before: %q", got)
	}
	// A realm whose key is revoked is believed by nobody.
	i := r.unknown()
	r.Must(nil, os.WriteFile(filepath.Join(r.shipped, client.RealmKey), []byte(revoked), 0o600))
	if _, err := i.Init(t.Context(), r.shipped, r.server()); err == nil || len(i.sent) != 0 {
		t.Errorf("with a realm's key that is revoked: %v, and %d messages", err, len(i.sent))
	}
}
