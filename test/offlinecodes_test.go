package test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// oneLineSudo gives sudo the password and the code in the one answer that a program
// like Ansible sends.
func oneLineSudo(r *machine.Realm, code string) attempt {
	return func(ctx context.Context) (machine.Outcome, error) {
		return r.RunAs(ctx, ada, fmt.Sprintf("sudo -k; printf '%%s%%s\\n' '%s' '%s' | sudo -S sh -c '%s'", adaPass, code, iAm))
	}
}

// TestAOneTimeCodeWorksWithoutTheServerOnceAndNeverTwice gives every host a new
// generator, uses one of its codes online, and the next one without the server.
// Promise otp-once.
func TestAOneTimeCodeWorksWithoutTheServerOnceAndNeverTwice(t *testing.T) {
	r := joined(t)
	admin(t, r, "", "machine", "set", "laptop", "--offline-codes=true")
	admin(t, r, "", "group", "set", "admins", "--offline-codes=true")
	hosts := func(code string) map[string]attempt {
		all := codeWays(r, code)
		all["ssh password, in one line"] = ways(r, ada, adaPass+code)["ssh password"]
		all["sudo, in one line"] = oneLineSudo(r, code)
		return all
	}
	for name := range hosts("") {
		t.Run(name, func(t *testing.T) {
			phone := enrol(t, r)
			online := phone.code(t)
			lets(t, codeWays(r, online)["su"], ada)
			must(t, r.Server.Stop(t.Context()))
			must(t, r.WaitOffline(t.Context()))
			keepsOut(t, hosts(online)[name])
			keepsOut(t, hosts(phone.wrong(t))[name])
			code, who := phone.code(t), ada
			if name == "sudo" || name == "sudo, in one line" {
				who = "root"
			}
			lets(t, hosts(code)[name], who)
			keepsOut(t, hosts(code)[name])
			r.Daemon.Kill()
			<-r.Daemon.Done()
			must(t, r.StartDaemon(t.Context()))
			must(t, r.WaitOffline(t.Context()))
			keepsOut(t, hosts(code)[name])
			must(t, r.StartServer(t.Context()))
			must(t, r.WaitOnline(t.Context()))
			keepsOut(t, hosts(code)[name])
			admin(t, r, "", "account", "unlock", ada)
		})
	}
}

func TestAPersonEnrolsAtTheirOwnTerminal(t *testing.T) {
	r := joined(t)
	c, err := r.Console(t.Context(), "/usr/sbin/runuser", "-u", ada, "--", "/usr/bin/sallyport", "enrol", "totp")
	must(t, err)
	must(t, c.Talk(t.Context(), "Password: ", adaPass))
	_, err = c.Expect(t.Context(), "Code that it shows: ")
	must(t, err)
	found := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(c.Screen())
	if found == nil {
		t.Fatal(c.Screen())
	}
	phone := &authenticator{secret: found[1], used: map[string]bool{}}
	must(t, c.Send(phone.code(t)))
	screen, code, err := c.Wait(t.Context())
	must(t, err)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, screen)
	}
	keepsOut(t, ways(r, ada, adaPass)["ssh password"])
	lets(t, codeWays(r, phone.code(t))["su"], ada)
	if now, err := totp.GenerateCode(phone.secret, time.Now()); err == nil {
		keepsOut(t, codeWays(r, now)["su"])
	}
}
