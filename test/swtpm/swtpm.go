// Package swtpm gives tests a TPM 2.0 in software, each with its own keys.
//
// It has no resource manager. As the kernel's does between two users of
// /dev/tpmrm0, the door in front of it forgets at every new connection what was
// loaded before: it switches the TPM off and on. So one user at a time.
package swtpm

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TPM is one TPM. It ends with its test.
type TPM struct {
	t      testing.TB
	dir    string // short: a socket's path has at most 107 bytes
	Device string // the door: what seal.Options.Device is to be

	mu    sync.Mutex
	cmd   *exec.Cmd
	heard bytes.Buffer
	conns map[net.Conn]bool
	// before runs before a command reaches the TPM, with the number of commands so far.
	before   func(n int)
	commands int
}

// New makes a TPM that nobody has used, switched on.
func New(t testing.TB) *TPM {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	s := &TPM{t: t, dir: dir, Device: filepath.Join(dir, "door"), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { s.Off(); _ = os.RemoveAll(dir) })
	if err := os.Mkdir(s.state(), 0o700); err != nil {
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
			tpm := s.connect(c) // here: in the order in which they came
			go s.serve(c, tpm)
		}
	}()
	s.On()
	return s
}

func (s *TPM) state() string { return filepath.Join(s.dir, "state") }

// On switches it on: the same TPM, with nothing loaded.
func (s *TPM) On() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on()
}

func (s *TPM) on() {
	for _, name := range []string{"sock", "ctrl"} {
		_ = os.Remove(filepath.Join(s.dir, name))
	}
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+s.state(),
		"--ctrl", "type=unixio,path="+s.dir+"/ctrl", "--server", "type=unixio,path="+s.dir+"/sock",
		"--flags", "not-need-init,startup-clear")
	if err := cmd.Start(); err != nil {
		s.t.Errorf("swtpm: %v (packaging/install-deps test)", err)
		return
	}
	s.cmd = cmd
}

// Off takes it away, whatever it is doing.
func (s *TPM) Off() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off()
}

func (s *TPM) off() {
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

// Clear is what an owner does in the firmware: all its keys are gone.
func (s *TPM) Clear() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off()
	if err := errors.Join(os.RemoveAll(s.state()), os.Mkdir(s.state(), 0o700)); err != nil {
		s.t.Fatal(err)
	}
	s.on()
}

// Hang stops it in the middle of whatever it is doing, and GoOn ends that.
func (s *TPM) Hang() { s.signal(syscall.SIGSTOP) }

// GoOn ends Hang.
func (s *TPM) GoOn() { s.signal(syscall.SIGCONT) }

func (s *TPM) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Heard is all that a listener on the bus got, both ways.
func (s *TPM) Heard() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.heard.Bytes())
}

// Before sets what runs before each command, with its number from now on, from 1.
func (s *TPM) Before(f func(n int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.commands = f, 0
}

// Commands is how many there were since Before.
func (s *TPM) Commands() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands
}

// serve is one connection at the door.
func (s *TPM) serve(c, tpm net.Conn) {
	defer c.Close()
	if tpm == nil {
		return
	}
	defer tpm.Close()
	go func() { s.pass(c, tpm, false); _ = c.Close() }()
	s.pass(tpm, c, true)
}

func (s *TPM) connect(c net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	s.off()
	s.on()
	if s.cmd == nil {
		return nil
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if tpm, err := net.Dial("unix", s.dir+"/sock"); err == nil {
			s.conns[c], s.conns[tpm] = true, true
			return tpm
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Error("swtpm does not listen")
	return nil
}

func (s *TPM) pass(to io.Writer, from io.Reader, commands bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			s.note(buf[:n], commands)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (s *TPM) note(text []byte, command bool) {
	s.mu.Lock()
	s.heard.Write(text)
	var f func(int)
	if command {
		s.commands++
		f = s.before
	}
	n := s.commands
	s.mu.Unlock()
	if f != nil {
		f(n)
	}
}
