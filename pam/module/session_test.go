package module_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam/module"
)

// line is a stat file as the kernel writes it.
func line(name string, session, terminal int64, started uint64) string {
	return fmt.Sprintf("4711 (%s) S 1 4711 %d %d 4711 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 2 3 18446744073709551615\n", name, session, terminal, started)
}

// Promise process-place.
func TestWhereAProcessRunsIsReadAsTheKernelWritesIt(t *testing.T) {
	for _, name := range []string{"sudo", "", ")", "a) S 1 2 3 4 5", "two words", "x\ny", "((", ") R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"} {
		pid, session, terminal, started, ok := module.Stat([]byte(line(name, 4000, 34816, 1<<40)))
		if !ok || pid != 4711 || session != 4000 || terminal != 34816 || started != 1<<40 {
			t.Errorf("%q: %d %d %d %d, %t", name, pid, session, terminal, started, ok)
		}
	}
	whole := line("sudo", 4000, 0, 77)
	for sentence, text := range map[string]string{
		"nothing": "", "no name": "4711 S 1", "a negative session": line("sudo", -1, 0, 7), "a negative terminal": line("sudo", 1, -1, 7),
		"a session beyond 32 bits": line("sudo", 1<<32, 0, 7), "cut short": whole[:40], "no number in front": "x" + whole, "process 0": "0" + whole[4:],
		"a process beyond 64 bits": "18446744073709555" + whole, "a start beyond 64 bits": strings.Replace(whole, " 77 ", " 18446744073709551693 ", 1),
	} {
		if _, _, _, _, ok := module.Stat([]byte(text)); ok {
			t.Errorf("%s is taken: %q", sentence, text)
		}
	}
}

// Promise process-place.
func TestAProcessWithoutATerminalStandsForItself(t *testing.T) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	pid, session, terminal, started, ok := module.Stat(text)
	if sid, err := unix.Getsid(0); !ok || int(pid) != os.Getpid() || err != nil || int(session) != sid {
		t.Fatalf("%q: %d, %d, %t", text, pid, session, ok)
	}
	s, ok := module.Self()
	if !ok || s.Terminal != terminal || !s.Known() {
		t.Fatalf("%+v, %t", s, ok)
	}
	if terminal == 0 && (s.Leader != pid || s.Started != started) {
		t.Errorf("%+v, want process %d of %d", s, pid, started)
	}
	want := identity.NoAuditSession
	if text, err := os.ReadFile("/proc/self/sessionid"); err == nil {
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		want = uint32(n)
	}
	if s.Audit != want {
		t.Errorf("audit session %d, want %d", s.Audit, want)
	}
}

func TestAProcessNamesItselfAndItsParent(t *testing.T) {
	p, ok := module.Process()
	if !ok || int(p.PID) != os.Getpid() || int(p.Parent) != os.Getppid() || !p.Known() {
		t.Fatalf("%+v, %t; want %d of %d", p, ok, os.Getpid(), os.Getppid())
	}
	for pid, started := range map[uint32]uint64{p.PID: p.Started, p.Parent: p.ParentStarted} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, want, ok := module.Stat(text); !ok || started != want {
			t.Errorf("process %d began at %d, want %d", pid, started, want)
		}
	}
}

func TestAHostSaysWhoRunsIt(t *testing.T) {
	want := identity.Caller{Known: true, LoginUID: identity.NoLoginUID, RealUID: uint32(os.Getuid())}
	if text, err := os.ReadFile("/proc/self/loginuid"); err == nil {
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		want.LoginUID = uint32(n)
	}
	if got := module.Caller(); got != want {
		t.Errorf("caller %+v, want %+v", got, want)
	}
}

// Promise process-place.
func FuzzStat(f *testing.F) {
	f.Add([]byte(line("sudo", 4000, 34816, 99)))
	f.Add([]byte(line("a) S 1 2", 1, 0, 1<<63)))
	f.Add([]byte("1 (x) S"))
	f.Add([]byte(") 1 (x"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		pid, session, terminal, started, ok := module.Stat(text)
		if !ok {
			return
		}
		// Whatever is taken says so itself, in the places that proc(5) names.
		fields := bytes.Split(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
		for at, want := range map[int]uint64{4: uint64(session), 5: uint64(terminal), 20: started} {
			if at >= len(fields) || !startsWith(fields[at], want) {
				t.Fatalf("%q: field %d is not %d", text, at, want)
			}
		}
		if !startsWith(text, uint64(pid)) {
			t.Fatalf("%q: not process %d", text, pid)
		}
	})
}

// startsWith tells whether a text begins with this very number, zeros in front aside.
func startsWith(text []byte, n uint64) bool {
	digits := text[:len(text)-len(bytes.TrimLeft(text, "0123456789"))]
	got, err := strconv.ParseUint(string(digits), 10, 64)
	return err == nil && got == n
}
