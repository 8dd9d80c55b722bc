package seat_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/seat"
)

// active is a session in front, as systemd 252 and 257 write it.
const active = "# This is private data. Do not parse.\nUID=1000\nUSER=ada\nACTIVE=1\nIS_DISPLAY=1\nSTATE=active\nREMOTE=0\nTYPE=tty\nORIGINAL_TYPE=tty\nCLASS=user\nSCOPE=session-3.scope\nSEAT=seat0\nTTY=tty1\nVTNR=1\n"

func write(t *testing.T, root, path, text string) {
	t.Helper()
	p := filepath.Join(root, "run/systemd", path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Promise card-owner.
func TestOnlyAnActiveSessionOnASeatIsAtIt(t *testing.T) {
	with := func(lines string) string { return active + lines } // a later line counts
	for sentence, c := range map[string]struct {
		text string
		want bool
	}{
		"in front":              {active, true},
		"another's":             {with("UID=1001\n"), false},
		"root's":                {with("UID=0\n"), false},
		"in the background":     {with("ACTIVE=0\n"), false},
		"over ssh":              {with("REMOTE=1\nSEAT=\n"), false},
		"remote, with a seat":   {with("REMOTE=1\n"), false},
		"without a seat":        {with("SEAT=\n"), false},
		"a greeter":             {with("CLASS=greeter\n"), false},
		"a user manager":        {with("CLASS=manager\n"), false},
		"early":                 {with("CLASS=user-early\n"), true},
		"light":                 {with("CLASS=user-light\n"), true},
		"cron":                  {with("CLASS=background\nSEAT=\n"), false},
		"empty":                 {"", false},
		"cut short":             {"UID=1000\nACTIVE=1\n", false},
		"no lines of that kind": {"UID 1000\nACTIVE 1\n", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "sessions/3", c.text)
			write(t, root, "users/1000", "NAME=ada\nSTATE=active\nSESSIONS=3 9\nSEATS=seat0\nACTIVE_SESSIONS=9 3\n")
			s := seat.Seats{Root: root}
			if at, err := s.Session("3", 1000); at != c.want || err != nil {
				t.Errorf("session: %t, %v", at, err)
			}
			if at, err := s.User(1000); at != c.want || err != nil {
				t.Errorf("user: %t, %v", at, err)
			}
		})
	}
}

func TestAnIDThatIsNoneReadsNoFile(t *testing.T) {
	root := t.TempDir()
	write(t, root, "sessions/3", active)
	write(t, root, "other", active)
	s := seat.Seats{Root: root}
	for _, id := range []string{"", "../other", "../sessions/3", "4", "3\x00", "3/", "."} {
		if at, err := s.Session(id, 1000); at || err != nil {
			t.Errorf("%q: %t, %v", id, at, err)
		}
	}
	if at, err := s.User(1001); at || err != nil {
		t.Errorf("a user without sessions: %t, %v", at, err)
	}
}

func TestAFileThatCannotBeReadIsNoYes(t *testing.T) {
	root := t.TempDir()
	write(t, root, "sessions/3/not-a-file", "")
	s := seat.Seats{Root: root}
	if at, err := s.Session("3", 1000); at || err == nil {
		t.Errorf("%t, %v", at, err)
	}
	write(t, root, "users/1000", "ACTIVE_SESSIONS=3\n")
	if at, err := s.User(1000); at || err == nil {
		t.Errorf("of the user: %t, %v", at, err)
	}
	write(t, root, "users/1001/not-a-file", "")
	if at, err := s.User(1001); at || err == nil {
		t.Errorf("of the other user: %t, %v", at, err)
	}
}
