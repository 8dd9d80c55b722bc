package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// authenticator is the app on ada's telephone.
type authenticator struct {
	secret string
	used   map[string]bool
}

// enrol gives ada a one-time code generator, in place of any earlier one.
func enrol(t *testing.T, r *machine.Realm) *authenticator {
	t.Helper()
	var out struct {
		URL string `json:"otpauth_url"`
	}
	must(t, json.Unmarshal([]byte(admin(t, r, "", "account", "add-totp", ada, "--generate", "--json")), &out))
	u, err := url.Parse(out.URL)
	must(t, err)
	a := &authenticator{secret: u.Query().Get("secret"), used: map[string]bool{}}
	if a.secret == "" {
		t.Fatalf("add-totp printed %q", out.URL)
	}
	return a
}

// code is one that was not used yet: now's, or the next one, which the server
// lets pass because telephones go wrong.
func (a *authenticator) code(t *testing.T) string {
	t.Helper()
	for _, ahead := range []time.Duration{0, 30 * time.Second} {
		c, err := totp.GenerateCode(a.secret, time.Now().Add(ahead))
		must(t, err)
		if !a.used[c] {
			a.used[c] = true
			return c
		}
	}
	t.Fatal("more codes are used than there are")
	return ""
}

// wrong is a code that is none of this hour.
func (a *authenticator) wrong(t *testing.T) string {
	t.Helper()
	c, err := totp.GenerateCode(a.secret, time.Now().Add(-time.Hour))
	must(t, err)
	return c
}

const iAm = `echo "I am $(id -un) with $(id -Gn)"`

// codeWays are the hosts that can ask two questions, with ada's password and code.
func codeWays(r *machine.Realm, code string) map[string]attempt {
	answers := func(prompt string) []string { return []string{prompt, adaPass, "One-time code: ", code} }
	return map[string]attempt{
		"ssh keyboard-interactive": func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, "root", answers("assword: "), "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "+
				"-o LogLevel=ERROR -o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 ada@127.0.0.1 '"+iAm+"'")
		},
		"su": func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, local, answers("assword: "), "su - ada -c '"+iAm+"'")
		},
		"sudo": func(ctx context.Context) (machine.Outcome, error) {
			// Whatever sudo asks after the code, for it asks again, finds no answer.
			return r.RunAs(ctx, ada, fmt.Sprintf("sudo -k; printf '%%s\\n' '%s' '%s' | sudo -S sh -c '%s'", adaPass, code, iAm))
		},
		"login": func(ctx context.Context) (machine.Outcome, error) { return loginWithCode(ctx, r, code) },
	}
}

// loginWithCode signs ada in at a terminal with login(1).
func loginWithCode(ctx context.Context, r *machine.Realm, code string) (machine.Outcome, error) {
	c, err := r.Console(ctx, "/bin/login")
	if err != nil {
		return machine.Outcome{}, err
	}
	if err := c.Talk(ctx, "login: ", ada, "assword: ", adaPass, "One-time code: ", code); err == nil {
		if seen, err := c.Expect(ctx, "$ ", "ncorrect", "failure"); err == nil && strings.HasSuffix(seen, "$ ") {
			_ = c.Send(iAm + "; exit")
			screen, exit, err := c.Wait(ctx)
			return machine.Outcome{Screen: screen, Code: exit}, err
		}
	}
	c.Hangup()
	return machine.Outcome{Screen: c.Screen(), Code: 1}, nil
}

func TestAnAccountWithAOneTimeCodeIsAskedForItByEveryHost(t *testing.T) {
	r := joined(t)
	who := func(name string) string { return map[bool]string{true: "root", false: ada}[name == "sudo"] }
	for name := range codeWays(r, "") {
		t.Run(name, func(t *testing.T) {
			phone := enrol(t, r)
			code := phone.code(t)
			lets(t, codeWays(r, code)[name], who(name))
			t.Run("the same code again", func(t *testing.T) { keepsOut(t, codeWays(r, code)[name]) })
			t.Run("a wrong code", func(t *testing.T) { keepsOut(t, codeWays(r, phone.wrong(t))[name]) })
			t.Run("and the next right one", func(t *testing.T) { lets(t, codeWays(r, phone.code(t))[name], who(name)) })
		})
	}
	t.Run("a host that can ask only for a password", func(t *testing.T) {
		keepsOut(t, ways(r, ada, adaPass)["ssh password"])
	})
	t.Run("a host that can ask only for a password, with both in one line", func(t *testing.T) {
		phone := enrol(t, r)
		lets(t, ways(r, ada, adaPass+phone.code(t))["ssh password"], ada)
		keepsOut(t, ways(r, ada, adaPass+phone.wrong(t))["ssh password"])
		lets(t, oneLineSudo(r, phone.code(t)), "root")
	})
	t.Run("offline it is refused, and says why", func(t *testing.T) {
		enrol(t, r)
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		for _, line := range []string{
			"ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=INFO " +
				"-o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 ada@127.0.0.1 '" + iAm + "'",
			"runuser -u local -- su - ada -c '" + iAm + "'",
			"runuser -u ada -- sudo sh -c '" + iAm + "'",
			"exec login ada",
		} {
			t.Run(line, func(t *testing.T) { refusesOffline(t, r, line) })
		}
		t.Run("and nobody asks for a password in vain", func(t *testing.T) {
			screen := keepsOut(t, ways(r, ada, adaPass)["su"])
			if n := strings.Count(screen, "assword: "); n != 0 {
				t.Errorf("asked %d times:\n%s", n, screen)
			}
		})
	})
}

// refusesOffline reads why nothing that could be typed is enough, and leaves: the
// next modules of the host's stack may ask questions of their own.
func refusesOffline(t *testing.T, r *machine.Realm, line string) {
	t.Helper()
	c, err := r.Console(t.Context(), "/bin/sh", "-c", "cd /; "+line)
	must(t, err)
	defer c.Hangup()
	if strings.HasPrefix(line, "ssh ") { // from another host only whoever has the password learns why
		must(t, c.Talk(t.Context(), "Password: ", adaPass))
	}
	_, err = c.Expect(t.Context(), "Offline, and your one-time code cannot be checked here.")
	must(t, err)
	if strings.Contains(c.Screen(), "I am ") {
		t.Errorf("someone is in:\n%s", c.Screen())
	}
}
