package desktop

import (
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/vcard"
)

// withReaders adds readers to a machine. Their pcscd stays, as cards are in them.
func withReaders(by manager) manager {
	by.files["/etc/reader.conf.d/vpcd"] = vcard.ReaderConf
	by.files["/etc/systemd/system/pcscd.service.d/test.conf"] = "[Service]\nExecStart=\nExecStart=/usr/sbin/pcscd --foreground\n"
	return by
}

// card gives ada one, and puts it into the reader, until it is taken out.
func (s *seat) card() (out func()) {
	s.t.Helper()
	c := vcard.New()
	cert, err := c.Put(vcard.Authentication, vcard.Key{Algorithm: vcard.P256, PIN: vcard.PINOnce, Touch: vcard.TouchNever}, ada,
		time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	must(s.t, err)
	must(s.t, s.WriteFile("/var/tmp/card.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})), 0o644))
	s.in("sallyport-server account add-card ada --label blue" + server + " </var/tmp/card.pem; systemctl start pcscd")
	s.until(func() error {
		return s.InNetwork(func() error {
			in, err := c.Insert(0)
			if err == nil {
				out = sync.OnceFunc(in.Remove)
				s.t.Cleanup(out)
			}
			return err
		})
	})
	s.untilIn("runuser -u ada -- sallyport card | tee /dev/stderr | grep ': yours'")
	return out
}

// Promise screen-card.
func TestACardsPINIsAskedForAtGDM(t *testing.T) {
	s := seated(t, withReaders(gdm()))
	s.card()
	s.scene("a wrong PIN, and the right one behind it", func() {
		s.signIn(ada)
		s.sees(greeter, "PIN (blue)")
		s.told("654321", "The PIN is wrong. 2 tries left", "PIN (blue)")
		s.types(greeter, vcard.DefaultPIN)
		s.desktop(ada)
	})
	s.run("and at the lock screen", func(*testing.T) {
		s.curtain(ada)
		s.lifts(ada, "PIN (blue)")
		s.types(ada, "654321")
		s.sees(ada, "The PIN is wrong. 2 tries left")
		s.in(s.lockedIs(ada, "yes"))
		s.sees(ada, "PIN (blue)")
		s.types(ada, vcard.DefaultPIN)
		s.unlocked(ada)
	})
	s.run("where Enter alone leads to the password, too", func(*testing.T) {
		s.curtain(ada)
		s.lifts(ada, "PIN (blue)")
		s.types(ada, "")
		s.sees(ada, "Password")
		s.types(ada, adaPass)
		s.unlocked(ada)
		s.logOut(ada)
	})
	s.scene("Enter alone leads to the password", func() {
		s.signIn(ada)
		s.sees(greeter, "Enter alone: another way.")
		s.asks("PIN (blue)")
		s.told("", "Password", "Password")
		s.types(greeter, adaPass)
		s.desktop(ada)
		s.logOut(ada)
	})
	s.scene("without the server", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.signIn(ada, "PIN (blue)", vcard.DefaultPIN)
		s.desktop(ada)
	})
}

// Promise screen-card.
func TestACardsPINIsAskedForAtLightDM(t *testing.T) {
	s, scene := scenesAt(t, withReaders(lightDM()))
	s.card()
	scene("a wrong PIN, and the right one behind it", func() {
		s.answers(ada)
		s.sees(greeter, "Type the card's PIN. Enter alone: another way.")
		s.toldAt("654321", "The PIN is wrong. 2 tries left")
		s.types(greeter, vcard.DefaultPIN)
		s.desktop(ada)
		s.logOut(ada)
	})
	scene("Enter alone leads to the password", func() {
		s.answers(ada, "")
		s.types(greeter, adaPass)
		s.desktop(ada)
		s.logOut(ada)
	})
	scene("without the server", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.answers(ada)
		s.types(greeter, vcard.DefaultPIN)
		s.desktop(ada)
	})
}

// Promise screen-card.
func TestACardsPINIsAskedForAtATerminal(t *testing.T) {
	for name, by := range map[string]manager{"greetd": greetd(), "getty": getty()} {
		t.Run(name, func(t *testing.T) { cardAtTerminal(t, withReaders(by)) })
	}
}

func cardAtTerminal(t *testing.T, by manager) {
	s, scene := scenesAtTerminal(t, by)
	s.card()
	scene("a wrong PIN, and the right one behind it", func() {
		s.signIn(ada)
		s.sees(ada, "Enter alone: another way.")
		s.asks("PIN (blue)")
		s.types(ada, "654321")
		s.sees(ada, "The PIN is wrong. 2 tries left")
		s.asks("PIN (blue)")
		s.types(ada, vcard.DefaultPIN)
		s.entered(ada)
		s.exits(ada)
	})
	scene("Enter alone leads to the password", func() {
		s.signIn(ada, "PIN (blue)", "", "assword", adaPass)
		s.entered(ada)
		s.exits(ada)
	})
	scene("without the server", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.signIn(ada, "PIN (blue)", vcard.DefaultPIN)
		s.entered(ada)
	})
}
