package test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/seat"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

// While ada's card lies in the reader, nobody else gets a PIN to it.
// Promise attack-local-card, attack-local-card-tries, attack-person-card, card-owner.
// Promise card-last-try.
func TestACardsPINIsItsOwnersAlone(t *testing.T) {
	d := carded(t)
	must(t, d.AddPerson(t.Context(), bob, adaPass, adaKey+".pub", "others"))
	c, _ := d.mine()
	before := c.Certificate(vcard.Authentication)
	unspent := func(t *testing.T) {
		t.Helper()
		if n := c.Retries(); n != 3 {
			t.Errorf("%d tries are left", n)
		}
		if !bytes.Equal(c.Certificate(vcard.Authentication), before) {
			t.Error("the card has another certificate")
		}
	}
	t.Run("su by a local user", func(t *testing.T) {
		for range 3 {
			o, err := d.TalkAs(t.Context(), local, []string{": ", "654321"}, "su ada -c true")
			must(t, err)
			if o.OK() || strings.Contains(o.Screen, "PIN") {
				t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
			}
		}
		unspent(t)
	})
	t.Run("login on a pseudo terminal", func(t *testing.T) {
		o, err := d.Login(t.Context(), ada, "654321")
		must(t, err)
		if o.OK() || strings.Contains(o.Screen, "PIN") {
			t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
		}
		unspent(t)
	})
	t.Run("another person who enrols", func(t *testing.T) {
		d.sits(bob)
		for _, line := range []string{"sallyport enrol piv", "sallyport enrol piv --generate --force"} {
			o, err := d.TalkAs(t.Context(), bob, []string{"Password: ", adaPass, "PIN of the card to enrol: ", cardPIN}, line)
			must(t, err)
			if o.OK() || !strings.Contains(o.Screen, "another account's") {
				t.Errorf("%s, exit code %d:\n%s", line, o.Code, o.Screen)
			}
		}
		unspent(t)
	})
	t.Run("herself, from elsewhere", func(t *testing.T) {
		d.sits(ada)
		d.leaves()
		o, err := d.TalkAs(t.Context(), ada, nil, "sudo -k; echo 654321 | sudo -S true")
		must(t, err)
		if strings.Contains(o.Screen, "PIN") {
			t.Errorf("sudo asks:\n%s", o.Screen)
		}
		if o, err = d.TalkAs(t.Context(), ada, []string{"Password: ", adaPass}, "sallyport enrol piv"); err != nil || o.OK() || !strings.Contains(o.Screen, "only where its owner sits") {
			t.Errorf("enrol says (%v):\n%s", err, o.Screen)
		}
		unspent(t)
	})
	t.Run("herself, in front of it", func(t *testing.T) {
		d.sits(ada)
		o := d.talks("sudo -k; sudo id", "PIN (", cardPIN)
		if !o.OK() {
			t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
		}
	})
}

// What package seat reads is what this release's logind writes.
// Promise card-owner.
func TestLogindSaysWhoSitsInFront(t *testing.T) {
	b := settled(t)
	out := in(t, b, `
		uid=$(id -u ada); echo "$uid"
		(sleep 60 | runuser -u root -- pamtester -E XDG_SEAT=seat0 -E XDG_SESSION_TYPE=tty -E XDG_SESSION_CLASS=user login ada open_session >/dev/null 2>&1; true) &
		pid=$!
		until loginctl list-sessions --no-legend | grep -q ada; do :; done
		id=$(loginctl list-sessions --no-legend | awk '/ada/ { print $1; exit }'); echo "$id"
		cat /run/systemd/sessions/$id; echo ==; cat /run/systemd/users/$uid`)
	lines := strings.SplitN(out, "\n", 3)
	session, user, found := strings.Cut(lines[2], "==\n")
	if !found {
		t.Fatalf("logind says %q", out)
	}
	root := t.TempDir()
	write := func(path, text string) {
		p := filepath.Join(root, "run/systemd", path)
		must(t, errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)))
	}
	write("sessions/"+lines[1], session)
	write("users/"+lines[0], user)
	var uid uint32
	for _, c := range lines[0] {
		uid = uid*10 + uint32(c-'0')
	}
	s := seat.Seats{Root: root}
	if at, err := s.Session(lines[1], uid); !at || err != nil {
		t.Errorf("not at the seat by its session (%v):\n%s", err, session)
	}
	if at, err := s.User(uid); !at || err != nil {
		t.Errorf("not at the seat by its user (%v):\n%s", err, user)
	}
	if at, err := s.Session(lines[1], uid+1); at || err != nil {
		t.Errorf("another is (%v)", err)
	}
}
