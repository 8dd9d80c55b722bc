package seal_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/seal"
)

// software is a TPM in software, with its state in a folder of its own. It has no
// resource manager: as the kernel does between two users of /dev/tpmrm0, the door
// in front of it forgets at every new connection what was loaded before.
type software struct {
	t      testing.TB
	dir    string // short: a socket's path has at most 107 bytes
	Device string // what Options.Device is to be

	mu    sync.Mutex
	cmd   *exec.Cmd
	heard [][]byte // all that went over the bus, both ways
	conns map[net.Conn]bool
}

func newTPM(t testing.TB) *software {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	s := &software{t: t, dir: dir, Device: filepath.Join(dir, "door"), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { s.Stop(); _ = os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", s.Device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	s.Start()
	return s
}

// Start begins or goes on with the same TPM, as after switching the machine on.
func (s *software) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

func (s *software) start() {
	for _, name := range []string{"sock", "ctrl"} {
		_ = os.Remove(filepath.Join(s.dir, name))
	}
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+s.dir+"/state",
		"--ctrl", "type=unixio,path="+s.dir+"/ctrl", "--server", "type=unixio,path="+s.dir+"/sock",
		"--flags", "not-need-init,startup-clear")
	if err := cmd.Start(); err != nil {
		s.t.Errorf("swtpm: %v (packaging/install-deps test)", err)
		return
	}
	s.cmd = cmd
	deadline := time.Now().Add(20 * time.Second)
	for _, name := range []string{"sock", "ctrl"} {
		for {
			if _, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
				break
			}
			if time.Now().After(deadline) {
				s.t.Errorf("swtpm does not listen")
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Stop takes the TPM away, whatever it is doing.
func (s *software) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *software) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
	for c := range s.conns {
		_ = c.Close()
		delete(s.conns, c)
	}
}

// Clear is what an owner does in the firmware: the TPM is as new.
func (s *software) Clear() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	if err := errors.Join(os.RemoveAll(s.dir+"/state"), os.Mkdir(s.dir+"/state", 0o700)); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

// Heard is all that a listener on the bus got.
func (s *software) Heard() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// serve is one connection at the door.
func (s *software) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	if s.cmd == nil {
		s.mu.Unlock()
		return
	}
	s.stop() // forget what was loaded, as a power cycle does
	s.start()
	tpm, err := net.Dial("unix", s.dir+"/sock")
	if err != nil {
		s.mu.Unlock()
		return
	}
	s.conns[c], s.conns[tpm] = true, true
	s.mu.Unlock()
	defer tpm.Close()
	go func() { s.pass(tpm, c); _ = tpm.Close() }()
	s.pass(c, tpm)
}

func (s *software) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			s.mu.Lock()
			s.heard = append(s.heard, append([]byte(nil), buf[:n]...))
			s.mu.Unlock()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// open opens with that TPM and fails the test if that fails.
func open(t testing.TB, kind, dir string, s *software) *seal.Choice {
	t.Helper()
	c, err := seal.Open(context.Background(), seal.Options{Dir: dir, Kind: kind, Device: s.Device})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
