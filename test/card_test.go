package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

const cardPIN = vcard.DefaultPIN

// desk is a machine with readers, where a person sits.
type desk struct {
	*machine.Realm
	t     *testing.T // of the step
	whole *testing.T
	pcscd *machine.Process
}

// carded is a machine that ada may use, with pcscd and two empty readers.
func carded(t *testing.T) *desk {
	t.Helper()
	d := &desk{Realm: joined(t), t: t, whole: t}
	must(t, vcard.CheckAlone())
	must(t, d.WriteFile("/etc/reader.conf.d/vpcd", vcard.ReaderConf, 0o644))
	d.sits(ada)
	d.startPcscd()
	return d
}

// sits has logind say that somebody is in front of this machine's screen, in session 3.
func (d *desk) sits(name string) {
	d.t.Helper()
	script(d.t, d.Realm, `uid=$(id -u `+name+`); mkdir -p /run/systemd/users /run/systemd/sessions
		printf 'NAME=`+name+`\nSTATE=active\nSESSIONS=3\nACTIVE_SESSIONS=3\n' > /run/systemd/users/$uid
		printf 'UID=%s\nACTIVE=1\nREMOTE=0\nCLASS=user\nSEAT=seat0\nTTY=tty2\n' "$uid" > /run/systemd/sessions/3`)
}

// leaves has it say that somebody else is.
func (d *desk) leaves() {
	d.t.Helper()
	script(d.t, d.Realm, "sed -i s/ACTIVE=1/ACTIVE=0/ /run/systemd/sessions/3")
}

func (d *desk) startPcscd() {
	d.t.Helper()
	script(d.t, d.Realm, `mkdir -p /run/pcscd; rm -f /run/pcscd/*`)
	p, err := d.Start(d.t.Context(), "/usr/sbin/pcscd", vcard.Arguments()...)
	must(d.t, err)
	d.pcscd = p
	d.empty()
}

// insert puts a card into a reader, and waits until the machine sees it.
func (d *desk) insert(c *vcard.Card) *vcard.Inserted {
	d.t.Helper()
	in, err := c.Insert(0)
	must(d.t, err)
	d.whole.Cleanup(in.Remove)
	d.cardsSay("PIN tries left")
	return in
}

// cardsSay waits until "sallyport card" says that.
func (d *desk) cardsSay(want string) {
	d.t.Helper()
	must(d.t, d.Eventually(d.t.Context(), func() error {
		out, err := d.RunAs(d.t.Context(), ada, "sallyport card")
		if err == nil && !strings.Contains(out.Screen, want) {
			return fmt.Errorf("sallyport card says %s", out.Screen)
		}
		return err
	}))
}

// empty waits until no card is seen in either reader.
func (d *desk) empty() {
	d.t.Helper()
	must(d.t, d.Eventually(d.t.Context(), func() error {
		out, err := d.RunAs(d.t.Context(), ada, "sallyport card")
		if err == nil && strings.Count(out.Screen, "No card is in the reader") != 2 {
			return fmt.Errorf("sallyport card says %s", out.Screen)
		}
		return err
	}))
}

// talks runs a command line as ada on a terminal, and answers its questions.
func (d *desk) talks(line string, turns ...string) machine.Outcome {
	d.t.Helper()
	o, err := d.TalkAs(d.t.Context(), ada, turns, line)
	must(d.t, err)
	return o
}

// mine enrols a new card of ada's, and leaves it in the reader.
func (d *desk) mine() (*vcard.Card, *vcard.Inserted) {
	d.t.Helper()
	c := vcard.New()
	in := d.insert(c)
	o := d.talks("sallyport enrol piv --generate", "Password: ", adaPass, "PIN of the card to enrol: ", cardPIN)
	if o.Code != 0 || !strings.Contains(o.Screen, "Enrolled: CN=ada@example, P-256") {
		d.t.Fatalf("enrol: %d\n%s", o.Code, o.Screen)
	}
	d.cardsSay(": yours")
	return c, in
}

// step is a subtest at the same desk.
func (d *desk) step(name string, f func(*desk)) {
	d.t.Run(name, func(t *testing.T) {
		at := *d
		at.t = t
		f(&at)
		d.pcscd = at.pcscd
	})
}

// reads logs in and wants to have read that.
func (d *desk) reads(want string, turns ...string) {
	d.t.Helper()
	if screen := d.logsIn(turns...); !strings.Contains(screen, want) {
		d.t.Errorf("nobody is told %q:\n%s", want, screen)
	}
}

// logsIn is what login(1) asks of PAM on a virtual console, which a test has none of.
func (d *desk) logsIn(turns ...string) string {
	d.t.Helper()
	c, err := d.Console(d.t.Context(), "/usr/bin/pamtester", "-I", "tty=/dev/tty2", "login", ada, "authenticate", "acct_mgmt")
	must(d.t, err)
	defer c.Hangup()
	must(d.t, c.Talk(d.t.Context(), turns...))
	screen, code, err := c.Wait(d.t.Context())
	must(d.t, err)
	if code != 0 || !strings.Contains(screen, "account management done") {
		d.t.Fatalf("nobody is in (exit code %d):\n%s", code, screen)
	}
	return screen
}

func TestACardIsEnrolledAndOpensTheDoor(t *testing.T) {
	d := carded(t)
	c, in := d.mine()
	d.step("at login", func(d *desk) { d.logsIn("PIN (", cardPIN) })
	d.step("for sudo", func(d *desk) {
		o := d.talks("sudo -k; sudo id", "PIN (", cardPIN)
		if o.Code != 0 || !strings.Contains(o.Screen, "uid=0(root)") {
			d.t.Fatalf("%d\n%s", o.Code, o.Screen)
		}
	})
	d.step("a wrong PIN tells what is left", func(d *desk) {
		d.reads("2 tries left", "PIN (", "654321", "PIN (", cardPIN)
		if n := c.Retries(); n != 3 {
			d.t.Errorf("%d tries are left after the right one", n)
		}
	})
	d.step("offline", func(d *desk) {
		must(d.t, d.Server.Stop(d.t.Context()))
		must(d.t, d.WaitOffline(d.t.Context()))
		d.logsIn("PIN (", cardPIN)
	})
	d.step("without the card the password will do", func(d *desk) {
		in.Remove()
		d.empty()
		must(d.t, d.StartServer(d.t.Context()))
		must(d.t, d.WaitOnline(d.t.Context()))
		d.logsIn("assword: ", adaPass)
	})
}

func TestEachTroubleWithACardIsSaidAtTheDoor(t *testing.T) {
	d := carded(t)
	c, in := d.mine()
	d.step("another program holds it", func(d *desk) {
		must(d.t, os.Setenv("PCSCLITE_CSOCK_NAME", d.Path("/run/pcscd/pcscd.comm")))
		held, err := piv.Open(vcard.Reader0)
		must(d.t, err)
		d.reads("Another program is using the card", "assword: ", adaPass)
		must(d.t, held.Close())
	})
	d.step("it is taken out in mid use", func(d *desk) {
		c.OnCommand(func(ins byte) vcard.Fault {
			if ins == 0x87 {
				return vcard.Pull
			}
			return vcard.None
		})
		d.reads("The card was removed.", "PIN (", cardPIN, "assword: ", adaPass)
		c.OnCommand(nil)
		in.Remove()
		d.empty()
		in = d.insert(c)
	})
	d.step("it is blocked", func(d *desk) {
		for range 3 {
			if o := d.talks("sallyport enrol --remove piv --by-card", "have already: ", "654321"); o.Code == 0 {
				d.t.Fatal(o.Screen)
			}
		}
		if n := c.Retries(); n != 1 {
			d.t.Fatalf("%d tries are left", n)
		}
		must(d.t, unlockOnServer(d.t, d.Realm))
		d.reads("which Sallyport does not use up", "assword: ", adaPass)
		c.Block()
		d.reads("The card is blocked", "assword: ", adaPass)
		c.SetPIN(cardPIN)
	})
	d.step("it is a stranger's", func(d *desk) {
		in.Remove()
		d.empty()
		stranger := vcard.New()
		_, err := stranger.Put(vcard.Authentication, vcard.Key{Algorithm: vcard.P256, PIN: vcard.PINOnce, Touch: vcard.TouchNever}, "eve",
			time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		must(d.t, err)
		other := d.insert(stranger)
		d.reads("is not one of this account", "assword: ", adaPass)
		other.Remove()
		d.empty()
		in = d.insert(c)
	})
	d.step("pcscd is gone", func(d *desk) {
		must(d.t, d.pcscd.Stop(d.t.Context()))
		d.logsIn("assword: ", adaPass)
		out, err := d.Run(d.t.Context(), "/usr/bin/sallyport", "status")
		must(d.t, err)
		if !strings.Contains(out, "The card service does not answer") {
			d.t.Errorf("status says %s", out)
		}
		in.Remove()
		d.startPcscd()
		in = d.insert(c)
	})
	d.step("the daemon may not use it", func(d *desk) {
		script(d.t, d.Realm, "chmod 0700 /run/pcscd/pcscd.comm")
		d.reads("does not let Sallyport use the reader", "assword: ", adaPass)
		script(d.t, d.Realm, "chmod 0666 /run/pcscd/pcscd.comm")
	})
	d.step("it was given up", func(d *desk) {
		o := d.talks("sallyport enrol --remove piv --by-card", "have already: ", cardPIN)
		if o.Code != 0 || !strings.Contains(o.Screen, "Removed.") {
			d.t.Fatalf("%d\n%s", o.Code, o.Screen)
		}
		d.cardsSay("was yours, and is revoked")
		d.logsIn("assword: ", adaPass)
		if o := d.talks("sallyport enrol piv", "Password: ", adaPass, "PIN of the card to enrol: ", cardPIN); o.Code == 0 || !strings.Contains(o.Screen, "was revoked") {
			d.t.Errorf("%d\n%s", o.Code, o.Screen)
		}
	})
}
