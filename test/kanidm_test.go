package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// bob lives on a Kanidm server.
const (
	bobPass   = "correct horse"
	bobOwn    = "battery staple" // of Kanidm's own authentication
	crewID    = "0b0b0b0b-0000-4000-8000-00000000000a"
	kanidmCA  = "/etc/sallyport/kanidm-ca.pem"
	kanidmKey = "/var/lib/sallyport/machine.key"
)

// workstation is a machine whose people are a Kanidm server's.
type workstation struct {
	*machine.Realm
	server *kanidm.Double
}

// kanidmServer runs one beside the machine, with ada's key as bob's.
func kanidmServer(t *testing.T, r *machine.Realm) *workstation {
	t.Helper()
	w := &workstation{r, kanidm.Start()}
	t.Cleanup(func() { w.server.Close() })
	key, err := os.ReadFile(r.Path(adaKey + ".pub"))
	must(t, err)
	w.server.With(func(p *kanidm.Person) {
		p.Keys, p.Shell = []string{strings.TrimSpace(string(key))}, "/bin/bash"
		p.Groups[0]["name"], p.Groups[0]["spn"] = "crew", "crew@"+kanidm.Domain // Debian has a staff of its own
	})
	must(t, r.WriteFile(kanidmCA, string(w.server.CA()), 0o644))
	return w
}

// provider is the part of sallyportd.toml that names the server.
func (w *workstation) provider(lines string) string {
	return kanidmProvider(w.server, kanidm.Domain, kanidmCA, lines)
}

func kanidmProvider(server *kanidm.Double, realm, ca, lines string) string {
	return fmt.Sprintf("[[provider]]\nkind = \"kanidm\"\nurl = %q\nrealm = %q\nca = %q\nhome_name = \"name\"\n%s\n", server.URL, realm, ca, lines)
}

// newKey makes the machine's key, as joining a sallyport realm does.
func (w *workstation) newKey(t *testing.T) {
	t.Helper()
	script(t, w.Realm, `setpriv `+strings.Join(machine.AsDaemon(), " ")+` sh -c 'umask 077; openssl genpkey -algorithm ed25519 -out `+kanidmKey+`'`)
}

// onKanidm is such a machine with everything running; lines are more of [[provider]].
func onKanidm(t *testing.T, lines string) *workstation {
	t.Helper()
	w, ctx := kanidmServer(t, bare(t)), t.Context()
	script(t, w.Realm, `groupadd wheel; echo '%wheel ALL=(ALL) ALL' > /etc/sudoers.d/wheel; chmod 0440 /etc/sudoers.d/wheel`)
	w.newKey(t)
	must(t, w.WriteFile("/etc/sallyport/sallyportd.toml", w.provider(lines)+fmt.Sprintf(
		"[machine]\nid = %q\n[login]\nallow = [%q]\n[groups]\nlocal = { wheel = %q }\n[lookup]\nrefresh = \"1s\"\n", uuid.NewString(), crewID, crewID), 0o644))
	must(t, w.StartDaemon(ctx))
	must(t, w.StartSSHD(ctx))
	return w
}

// status is what "sallyport status" says.
func (w *workstation) status(t *testing.T) string {
	return script(t, w.Realm, "sallyport status || true")
}

// explains is what "sallyport explain bob" says, whether he may log in or not.
func (w *workstation) explains(t *testing.T, texts ...string) {
	t.Helper()
	out := script(t, w.Realm, "sallyport explain bob || true")
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("explain lacks %q:\n%s", text, out)
		}
	}
}

// Promise kanidm-hosts, kanidm-limits.
func TestAPersonOfAKanidmServerSignsInThroughEveryHost(t *testing.T) {
	w := onKanidm(t, "")
	r := w.Realm
	t.Run("names", func(t *testing.T) {
		// Members of a group are those who are known: first somebody of it is asked for.
		for _, c := range []struct{ line, want string }{
			{"getent passwd bob", "bob:x:70001:70001:Bob B.:/home/bob:/bin/bash\n"},
			{"getent passwd 70001", "bob:x:70001:70001:Bob B.:/home/bob:/bin/bash\n"},
			{"getent -s sallyport passwd bob", "bob:x:70001:70001:Bob B.:/home/bob:/bin/bash\n"},
			{"id -un bob@" + kanidm.Domain, "bob\n"},
			{"id -Gn bob | tr ' ' '\\n' | sort", "bob\ncrew\nwheel\n"},
			{"getent group crew", "crew:x:70100:bob\n"},
			{"getent passwd nobodyhere || :", ""},
		} {
			if out := script(t, r, c.line); out != c.want {
				t.Errorf("%s says %q, want %q", c.line, out, c.want)
			}
		}
	})
	online := func(t *testing.T) {
		for name, try := range ways(r, bob, bobPass) {
			t.Run(name, func(t *testing.T) { lets(t, try, bob) })
		}
		t.Run("ssh key", func(t *testing.T) { lets(t, byKey(r, bob), bob) })
		t.Run("sudo, by a local group that the realm's fills", func(t *testing.T) { lets(t, bySudo(r, bob, bobPass), "root") })
		for name, try := range ways(r, bob, "not his password") {
			t.Run("wrong password by "+name, func(t *testing.T) { keepsOut(t, try) })
		}
	}
	t.Run("online", online)
	t.Run("status says what the server cannot do", func(t *testing.T) {
		s := w.status(t)
		for _, text := range []string{
			"kanidm " + w.server.URL, "online for", "known here are people who signed in or were looked up", "it cannot list the realm", "it cannot tell of changes",
			"it cannot change a password", "it cannot let one-time codes be checked offline", "it cannot take requests",
		} {
			if !strings.Contains(s, text) {
				t.Errorf("status lacks %q:\n%s", text, s)
			}
		}
	})
	t.Run("explain says what that means for him", func(t *testing.T) {
		w.explains(t, "bob may log in here", "does not tell of changes", "an old password works here offline until", "offline: works")
	})
	t.Run("passwd(1) says where to go", func(t *testing.T) {
		says(t, passwd(r, bob), false, "This server does not let a machine change passwords. Change it on the server.")
	})
	t.Run("doctor finds no fault", func(t *testing.T) {
		out := script(t, r, "sallyport doctor || true")
		if !strings.Contains(out, "kanidm "+w.server.URL) || strings.Contains(out, "certificate") && strings.Contains(out, "PROBLEM  server") {
			t.Errorf("doctor says\n%s", out)
		}
	})
	t.Run("offline", func(t *testing.T) {
		w.server.Close()
		online(t)
		must(t, r.Daemon.Stop(t.Context()))
		must(t, r.StartDaemon(t.Context()))
		lets(t, ways(r, bob, bobPass)["ssh keyboard-interactive"], bob)
		if s := w.status(t); !strings.Contains(s, "offline for") {
			t.Errorf("status says\n%s", s)
		}
	})
}

// seen waits until the daemon has heard of a change: this server does not tell.
func (w *workstation) seen(t *testing.T, command, text string) {
	t.Helper()
	within(t, w.Realm, machine.Patience, func() error {
		out, err := w.Script(t.Context(), "id bob >/dev/null || :; "+command)
		if err == nil && !strings.Contains(out, text) {
			err = fmt.Errorf("%s says:\n%s", command, out)
		}
		return err
	})
}

// Promise kanidm-hosts.
func TestWhatHappensToAnAccountOnAKanidmServerHappensOnTheMachine(t *testing.T) {
	w := onKanidm(t, "")
	r := w.Realm
	su := func(password string) attempt { return ways(r, bob, password)["su"] }
	lets(t, su(bobPass), bob)
	t.Run("expired", func(t *testing.T) {
		w.server.With(func(p *kanidm.Person) { p.Invalid = true })
		keepsOut(t, su(bobPass))
		w.seen(t, "sallyport explain bob || :", "may NOT log in")
		keepsOut(t, byKey(r, bob))
		w.server.With(func(p *kanidm.Person) { p.Invalid = false })
		lets(t, su(bobPass), bob)
	})
	t.Run("softly locked, the ssh key works", func(t *testing.T) {
		w.server.With(func(p *kanidm.Person) { p.Locked = true })
		keepsOut(t, su(bobPass))
		lets(t, byKey(r, bob), bob)
		w.server.With(func(p *kanidm.Person) { p.Locked = false })
		lets(t, su(bobPass), bob)
	})
	t.Run("another password", func(t *testing.T) {
		w.server.With(func(p *kanidm.Person) { p.POSIX = "another horse" })
		keepsOut(t, su(bobPass))
		lets(t, su("another horse"), bob)
		w.server.Close()
		keepsOut(t, su(bobPass))
		lets(t, su("another horse"), bob)
		must(t, w.server.Return(t.Context()))
		lets(t, su("another horse"), bob)
	})
	t.Run("a key that was removed", func(t *testing.T) {
		w.server.With(func(p *kanidm.Person) { p.Keys = nil })
		w.seen(t, "echo \"keys: $(sallyport-keys bob)\"", "keys: \n")
		keepsOut(t, byKey(r, bob))
	})
	t.Run("removed", func(t *testing.T) {
		w.server.With(func(p *kanidm.Person) { p.Removed = true })
		w.seen(t, "getent passwd bob || echo nobody", "nobody\n")
		keepsOut(t, su("another horse"))
		w.server.Close()
		keepsOut(t, su("another horse"))
	})
}

// Promise kanidm-hosts.
// Seen red: a certificate that is not trusted taken for a server that is away.
func TestAStrangerCannotTakeAKanidmServersPlace(t *testing.T) {
	w := onKanidm(t, "")
	lets(t, ways(w.Realm, bob, bobPass)["su"], bob)
	must(t, w.Daemon.Stop(t.Context()))
	other, err := os.ReadFile(w.Path("/etc/ssl/certs/ca-certificates.crt"))
	must(t, err)
	must(t, w.WriteFile(kanidmCA, string(other), 0o644))
	must(t, w.StartDaemon(t.Context()))
	lets(t, ways(w.Realm, bob, bobPass)["su"], bob) // as without a server
	if s := w.status(t); !strings.Contains(s, "ALARM") {
		t.Errorf("status says\n%s", s)
	}
	if n := w.server.Count("POST /v1/account"); n != 1 {
		t.Errorf("a password went to the server %d times", n)
	}
}

// Promise kanidm-hosts.
func TestKanidmsOwnAuthenticationAsksForACodeAndOfflineSaysWhyNot(t *testing.T) {
	w := onKanidm(t, `sign_in = "stepped"`)
	r := w.Realm
	hosts := func(second string) map[string]attempt {
		turns := []string{"assword: ", bobOwn, "code: ", second}
		return map[string]attempt{
			"su": func(ctx context.Context) (machine.Outcome, error) {
				return r.TalkAs(ctx, local, turns, "su - bob -c '"+iAm+"'")
			},
			"ssh": func(ctx context.Context) (machine.Outcome, error) {
				return r.TalkAs(ctx, "root", turns, "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "+
					"-o LogLevel=ERROR -o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 bob@127.0.0.1 '"+iAm+"'")
			},
		}
	}
	lets(t, ways(r, bob, bobOwn)["su"], bob)
	w.server.With(func(p *kanidm.Person) { p.TOTP, p.Backup = "123456", "a1b2c3d4" })
	for name := range hosts("") {
		t.Run(name, func(t *testing.T) {
			lets(t, hosts("123456")[name], bob)
			keepsOut(t, hosts("654321")[name])
			lets(t, hosts("a1b2c3d4")[name], bob)
		})
	}
	t.Run("sudo goes on from the sign-in, with the password and the code again", func(t *testing.T) {
		lets(t, hosts("123456")["su"], bob)
		sudo := func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, bob, []string{"assword for bob: ", bobOwn, "code: ", "123456"}, "sudo -k; sudo sh -c '"+iAm+"'")
		}
		for want := 1; want <= 2; want++ {
			lets(t, sudo, "root")
			if n := w.server.Reauthenticated(); n != want {
				t.Errorf("%d reauthentications, want %d", n, want)
			}
		}
		if n := w.server.Sessions(bob); n != 1 {
			t.Errorf("%d sessions of his are on the server, want 1", n)
		}
		must(t, r.Daemon.Stop(t.Context()))
		if n := w.server.Sessions(bob); n != 0 {
			t.Errorf("%d sessions of his are left on the server", n)
		}
		must(t, r.StartDaemon(t.Context()))
		lets(t, sudo, "root")
		if n := w.server.Reauthenticated(); n != 2 {
			t.Errorf("%d reauthentications by a daemon that has seen no sign-in, want 2", n)
		}
	})
	w.explains(t, "it is asked for: password, then totp", "offline: does not work", "cannot be checked here", "people with a code cannot log in offline")
	t.Run("offline", func(t *testing.T) {
		w.server.Close()
		screen := keepsOut(t, ways(r, bob, bobOwn)["su"])
		for _, text := range []string{"Offline, and your one-time code cannot be checked here.", "Connect to the network: only the server can check it."} {
			if !strings.Contains(screen, text) {
				t.Errorf("the person is not told %q:\n%s", text, screen)
			}
		}
		lets(t, byKey(r, bob), bob)
	})
}

// beside makes the server the second one of a machine that has joined a realm; lines
// are more of its [[provider]].
func (w *workstation) beside(t *testing.T, lines string) {
	t.Helper()
	must(t, w.Daemon.Stop(t.Context()))
	file := "/etc/sallyport/sallyportd.toml"
	ours, err := os.ReadFile(w.Path(file))
	must(t, err)
	both := strings.Replace(string(ours), "\n[[provider]]\n", "\n[[provider]]\nids = [\"1879048192-2147352575\"]\n", 1)
	both = strings.Replace(both, `allow = ["*"]`, fmt.Sprintf("allow = [\"*@%s\", \"*@%s\"]", machine.RealmName, kanidm.Domain), 1)
	must(t, w.WriteFile(file, both+"\n"+w.provider("ids = [\"65536-524287\"]\n"+lines), 0o644))
	must(t, w.StartDaemon(t.Context()))
	must(t, w.WaitOnline(t.Context()))
}

// lists compares who is listed.
func (w *workstation) lists(t *testing.T, want string) error {
	t.Helper()
	out, err := w.Script(t.Context(), "getent -s sallyport passwd | cut -d: -f1 | sort | tr '\\n' ' '")
	if err == nil && out != want {
		err = fmt.Errorf("getent lists %q, want %q", out, want)
	}
	return err
}

// Promise realms-separate.
func TestTwoRealmsLiveOnOneMachine(t *testing.T) {
	r := joined(t)
	w := kanidmServer(t, r)
	w.server.Add(&kanidm.Person{Name: ada, UID: 70002, UUID: uuid.New(), POSIX: bobPass})
	w.beside(t, "")
	all := func(t *testing.T) {
		for _, who := range []struct{ name, password string }{{ada, adaPass}, {bob, bobPass}} {
			for name, try := range ways(r, who.name, who.password) {
				t.Run(who.name+" by "+name, func(t *testing.T) { lets(t, try, who.name) })
			}
			t.Run(who.name+" by key", func(t *testing.T) { lets(t, byKey(r, who.name), who.name) })
		}
		t.Run("another realm's password", func(t *testing.T) {
			keepsOut(t, ways(r, ada, bobPass)["su"])
			keepsOut(t, ways(r, bob, adaPass)["su"])
		})
	}
	t.Run("online", all)
	t.Run("a name that both have is the first's", func(t *testing.T) {
		out := script(t, r, "id -un 70002 2>&1 || echo nobody; id -u ada; sallyport status || true")
		if !strings.Contains(out, "nobody\n") || strings.Contains(out, "\n70002\n") {
			t.Errorf("the second's is answered:\n%s", out)
		}
		if !strings.Contains(out, "its name is that of an account of a realm that comes first") {
			t.Errorf("status does not tell:\n%s", out)
		}
	})
	t.Run("everybody is listed once, with the realm's own uids", func(t *testing.T) {
		within(t, r, 10*time.Second, func() error { return w.lists(t, "ada bob ") })
	})
	t.Run("status has both", func(t *testing.T) {
		if s := w.status(t); !strings.Contains(s, "server   "+machine.ServerURL) && strings.Count(s, "\nserver") != 2 {
			t.Errorf("status says\n%s", s)
		}
	})
	t.Run("one server gone, the other's people are as ever", func(t *testing.T) {
		w.server.Close()
		all(t)
	})
	t.Run("both gone", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		all(t)
	})
}
