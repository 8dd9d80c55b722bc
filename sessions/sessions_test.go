package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/sessions"
)

func TestAListIsReadAsItWasWritten(t *testing.T) {
	list := []sessions.Order{{PID: 7, Started: 1 << 40, UID: 1900000100, End: true}, {PID: 8, Started: 9, UID: 10}}
	path := filepath.Join(t.TempDir(), "list")
	if err := sessions.Write(path, sessions.Marshal(list)); err != nil {
		t.Fatal(err)
	}
	got, err := sessions.Read(path)
	if err != nil || !slices.Equal(got, list) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := sessions.Read(path + "-none"); got != nil || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
	if _, err := sessions.Read(t.TempDir()); !errors.Is(err, sessions.ErrList) {
		t.Errorf("a folder: %v", err)
	}
}

// Promise session-helper.
func TestWhatIsNoListIsNotActedOn(t *testing.T) {
	for _, text := range []string{
		"end", "end 1 2", "stop 1 2 3\n", "end 0 2 3\n", "end 1 0 3\n", "end 1 2 0\n", "end -1 2 3\n", "end 1 2 3 4\n", "end 1  2 3\n", "end 2147483648 2 3\n",
		"end 1 2 4294967296\n", "end 1 18446744073709551616 3\n", "\n", "end 1 2 3\nx", "END 1 2 3\n", strings.Repeat("end 1 2 3\n", sessions.MaxOrders+1),
	} {
		if list, err := sessions.Parse([]byte(text)); !errors.Is(err, sessions.ErrList) {
			t.Errorf("%.20q: %v, %v", text, list, err)
		}
	}
}

// machine is a root with ada's session 3, led by process 70.
type machine struct{ root, told string }

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t.TempDir(), t.TempDir()}
	m.write(t, "etc/passwd", "root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n")
	m.write(t, "proc/70/stat", stat(70, 5555))
	m.write(t, "proc/70/cgroup", "1:name=systemd:/user.slice/session-3.scope\n")
	m.write(t, "run/systemd/sessions/3", ada)
	return m
}

const ada = "UID=1900000100\nREMOTE=1\nSERVICE=sshd\nCLASS=user\nLEADER=70\n"

func stat(pid, started int) string {
	return fmt.Sprintf("%d (sshd: a) b) S 1 70 70 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 %d 1 1\n", pid, started)
}

func (m machine) write(t *testing.T, path, text string) {
	t.Helper()
	p := filepath.Join(m.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// ends tells which units an order stops.
func (m machine) ends(t *testing.T, o sessions.Order) (units []string) {
	t.Helper()
	h := sessions.Host{Root: m.root, Told: m.told, Log: t.Logf, Stop: func(_ context.Context, unit string) error {
		units = append(units, unit)
		return nil
	}}
	if err := h.Do(t.Context(), []sessions.Order{o}); err != nil {
		t.Fatal(err)
	}
	return units
}

// Promise session-helper.
func TestOnlyARemoteSessionOfSomebodyElsewhereIsEnded(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("processes of root are looked at: run it as root")
	}
	good := sessions.Order{PID: 70, Started: 5555, UID: 1900000100, End: true}
	if got := newMachine(t).ends(t, good); !slices.Equal(got, []string{"session-3.scope"}) {
		t.Fatalf("%q", got)
	}
	for sentence, change := range map[string]func(m machine, o *sessions.Order){
		"it is only to be told":         func(_ machine, o *sessions.Order) { o.End = false },
		"another process of its number": func(_ machine, o *sessions.Order) { o.Started++ },
		"a process that is gone":        func(_ machine, o *sessions.Order) { o.PID = 71 },
		"another uid's":                 func(_ machine, o *sessions.Order) { o.UID++ },
		"a local account's":             func(m machine, _ *sessions.Order) { m.write(t, "etc/passwd", "ada:x:1900000100:1::/:/bin/sh\n") },
		"no passwd(5)":                  func(m machine, _ *sessions.Order) { _ = os.Remove(filepath.Join(m.root, "etc/passwd")) },
		"a process of the person's":     func(m machine, _ *sessions.Order) { _ = os.Chown(filepath.Join(m.root, "proc/70"), 1, 1) },
		"a session that another leads":  func(m machine, _ *sessions.Order) { m.write(t, "run/systemd/sessions/3", ada+"LEADER=71\n") },
		"a session at the screen":       func(m machine, _ *sessions.Order) { m.write(t, "run/systemd/sessions/3", ada+"REMOTE=0\n") },
		"a session of another service":  func(m machine, _ *sessions.Order) { m.write(t, "run/systemd/sessions/3", ada+"SERVICE=login\n") },
		"a user manager":                func(m machine, _ *sessions.Order) { m.write(t, "run/systemd/sessions/3", ada+"CLASS=manager\n") },
		"a session that is not there":   func(m machine, _ *sessions.Order) { _ = os.Remove(filepath.Join(m.root, "run/systemd/sessions/3")) },
		"a unit of the system": func(m machine, _ *sessions.Order) {
			m.write(t, "proc/70/cgroup", "1:name=systemd:/system.slice/ssh.service\n")
		},
		"a stat that is none": func(m machine, _ *sessions.Order) { m.write(t, "proc/70/stat", "70 (sshd) S 1") },
	} {
		m, o := newMachine(t), good
		change(m, &o)
		if got := m.ends(t, o); len(got) != 0 {
			t.Errorf("%s: %q", sentence, got)
		}
	}
}
