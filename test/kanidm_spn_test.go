package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// bobSPN is what bob is called where a machine has kanidm-unixd's own default.
const bobSPN = bob + "@" + kanidm.Domain

const bySPN = "user_name = \"spn\"\ngroup_name = \"spn\"\n"

// Promise realms-qualified.
func TestPeopleOfAKanidmServerMayBeCalledByNameAndDomain(t *testing.T) {
	w := onKanidm(t, bySPN)
	r, crew := w.Realm, "crew@"+kanidm.Domain
	const entry = bobSPN + ":x:70001:70001:Bob B.:/home/bob:/bin/bash\n"
	// sudoers(5) names them as other programs do; '@' needs a backslash there.
	script(t, r, `echo '%crew\@`+kanidm.Domain+` ALL=(root) NOPASSWD: /usr/bin/id' > /etc/sudoers.d/zcrew; chmod 0440 /etc/sudoers.d/zcrew; visudo -cq`)
	w.server.WithGroups(func([]*kanidm.Group) []*kanidm.Group {
		return []*kanidm.Group{{Name: "developers", GID: 70200, UUID: uuid.New()}} // nobody is in it
	})
	names := func(t *testing.T) {
		for _, c := range []struct{ line, want string }{
			{"getent passwd " + bobSPN, entry},
			{"getent passwd bob", entry},
			{"getent passwd BOB@" + strings.ToUpper(kanidm.Domain), entry},
			{"getent passwd 70001", entry},
			{"id -Gn " + bobSPN + " | tr ' ' '\\n' | sort", bobSPN + "\n" + crew + "\nwheel\n"},
			{"id -Gn bob | tr ' ' '\\n' | sort", bobSPN + "\n" + crew + "\nwheel\n"},
			{"getent group " + crew, crew + ":x:70100:" + bobSPN + "\n"},
			{"getent group crew", crew + ":x:70100:" + bobSPN + "\n"},
			{"getent group developers 70200", strings.Repeat("developers@"+kanidm.Domain+":x:70200:\n", 2)},
			{"touch /tmp/his; chown " + bobSPN + ":" + crew + " /tmp/his; stat -c '%U %G' /tmp/his; rm /tmp/his", bobSPN + " " + crew + "\n"},
			{"getent passwd bob@elsewhere.example || :", ""},
			{"sudo -l -U " + bobSPN + " | grep -c '(root) NOPASSWD: /usr/bin/id'", "1\n"},
		} {
			if out := script(t, r, c.line); out != c.want {
				t.Errorf("%s says %q, want %q", c.line, out, c.want)
			}
		}
	}
	doors := func(t *testing.T) {
		for _, typed := range []string{bob, bobSPN} {
			for name, try := range ways(r, typed, bobPass) {
				if typed == bobSPN || name == "su" { // su asks PAM for the name that it found
					t.Run(typed+" by "+name, func(t *testing.T) { lets(t, try, bobSPN) })
				} else {
					t.Run(typed+" by "+name, func(t *testing.T) { keepsOut(t, try) })
				}
			}
			t.Run(typed+" with a wrong password", func(t *testing.T) { keepsOut(t, ways(r, typed, "wrong")["su"]) })
		}
		t.Run("by key", func(t *testing.T) { lets(t, byKey(r, bobSPN), bobSPN); keepsOut(t, byKey(r, bob)) })
		t.Run("sudo", func(t *testing.T) { lets(t, bySudo(r, bobSPN, bobPass), "root") })
	}
	t.Run("names", names)
	t.Run("doors", doors)
	t.Run("a local account of the short name is itself", func(t *testing.T) {
		// By hand: useradd(8) sees that the name is taken.
		script(t, r, "cp /etc/passwd /etc/passwd.before; echo bob:x:4321:4321::/:/bin/bash >>/etc/passwd; echo bob:x:4321: >>/etc/group; echo bob:localpass | chpasswd")
		defer script(t, r, "mv /etc/passwd.before /etc/passwd; groupdel bob; sed -i /^bob:/d /etc/shadow")
		for _, c := range []struct{ line, want string }{
			{"id -u bob", "4321\n"},
			{"id -u " + bobSPN, "70001\n"},
			{"id -G bob", "4321\n"},
		} {
			if out := script(t, r, c.line); out != c.want {
				t.Errorf("%s says %q, want %q", c.line, out, c.want)
			}
		}
		su := func(name, password string) attempt { return ways(r, name, password)["su"] }
		keepsOut(t, su(bob, bobPass))
		lets(t, su(bob, "localpass"), bob)
		lets(t, su(bobSPN, bobPass), bobSPN)
		keepsOut(t, byKey(r, bob))
		lets(t, byKey(r, bobSPN), bobSPN)
	})
	t.Run("offline", func(t *testing.T) {
		w.server.Close()
		must(t, r.Daemon.Stop(t.Context()))
		t.Run("names without a daemon", names)
		must(t, r.StartDaemon(t.Context()))
		doors(t)
	})
	t.Run("other settings rename him, without the server too", func(t *testing.T) {
		must(t, r.Daemon.Stop(t.Context()))
		script(t, r, `sed -i '/_name = "spn"/d' /etc/sallyport/sallyportd.toml`)
		must(t, r.StartDaemon(t.Context()))
		// su(1) asks by the name that the file has, which the daemon writes anew.
		must(t, r.Eventually(t.Context(), func() error {
			out, err := r.Script(t.Context(), `[ "$(getent passwd 70001 | cut -d: -f1)" = bob ]`)
			if err != nil {
				return fmt.Errorf("he is not bob yet: %w: %s", err, out)
			}
			return nil
		}))
		for _, typed := range []string{bob, bobSPN} {
			lets(t, ways(r, typed, bobPass)["su"], bob)
		}
		lets(t, byKey(r, bob), bob)
		if out := script(t, r, "getent passwd 70001 | cut -d: -f1; getent group crew"); out != "bob\ncrew:x:70100:bob\n" {
			t.Errorf("he is %q", out)
		}
	})
}

// sudoers and files that name people keep their meaning.
// Promise realms-qualified.
func TestARealmWithQualifiedNamesLivesBesideOneWithout(t *testing.T) {
	r := joined(t)
	w := kanidmServer(t, r)
	w.server.Add(&kanidm.Person{Name: ada, UID: 70002, UUID: uuid.New(), POSIX: bobPass})
	w.beside(t, bySPN)
	other := ada + "@" + kanidm.Domain
	for typed, who := range map[string]struct{ name, password string }{
		ada: {ada, adaPass}, other: {other, bobPass}, bob: {bobSPN, bobPass}, bobSPN: {bobSPN, bobPass},
	} {
		for name, try := range ways(r, typed, who.password) {
			t.Run(typed+" by "+name, func(t *testing.T) {
				if typed != who.name && name != "su" { // su asks PAM for the name that it found
					keepsOut(t, try)
					return
				}
				lets(t, try, who.name)
			})
		}
	}
	keepsOut(t, ways(r, ada, bobPass)["su"])
	keepsOut(t, ways(r, other, adaPass)["su"])
	within(t, r, machine.Patience, func() error { return w.lists(t, "ada ada@idm.example.com bob@idm.example.com ") })
	// The file alone knows both.
	must(t, r.Daemon.Stop(t.Context()))
	for typed, want := range map[string]string{
		ada: ada, ada + "@" + machine.RealmName: ada, other: other, bob: bobSPN, bobSPN: bobSPN,
	} {
		if out := script(t, r, "id -un "+typed); out != want+"\n" {
			t.Errorf("%s is %q, want %s", typed, out, want)
		}
	}
}

// systemd boots a machine that has seen him before, far from the server.
// Promise systemd-names.
func TestSystemdKnowsPeopleOfAKanidmServerByNameAndDomain(t *testing.T) {
	w := onKanidm(t, bySPN)
	script(t, w.Realm, "id "+bobSPN)
	must(t, w.Daemon.Stop(t.Context()))
	must(t, w.SSHD.Stop(t.Context()))
	b, err := w.Boot(t.Context())
	must(t, err)
	in(t, b, `
		systemctl start sallyportd.socket sallyportd
		su -l `+bobSPN+` -c 'sleep 300' </dev/null >/dev/null 2>&1 &`)
	crew := "crew@" + kanidm.Domain
	must(t, b.Eventually(t.Context(), func() error {
		_, err := b.In(t.Context(), "loginctl show-user "+bobSPN+" -p State | grep -x State=active && userdbctl users-in-group "+crew)
		return err
	}))
	for _, s := range daemonStates() {
		t.Run(s.name, func(t *testing.T) {
			in(t, b, s.begin)
			bsays(t, b, "userdbctl user "+bobSPN, "User name: "+bobSPN, "Real Name: Bob B.")
			bsays(t, b, "userdbctl user bob", "User name: "+bobSPN)
			bsays(t, b, "userdbctl group "+crew, "Group name: "+crew, "Members: "+bobSPN)
			bsays(t, b, "userdbctl groups-of-user "+bobSPN, crew)
			bsays(t, b, "loginctl list-sessions; loginctl show-user "+bobSPN+" -p Name -p State", "Name="+bobSPN, "State=active")
			in(t, b, s.end)
		})
	}
}
