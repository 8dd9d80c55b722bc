package vcard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ReaderConf gives the driver one reader of two slots.
const ReaderConf = `FRIENDLYNAME "Virtual PCD"
DEVICENAME /dev/null:0x8C7B
LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID 0x8C7B
`

// port is the first slot's; the next slot has the next.
const port = 0x8c7b

// Names of the two readers.
const (
	Reader0 = "Virtual PCD 00 00"
	Reader1 = "Virtual PCD 00 01"
)

// CheckAlone refuses a network namespace that has more than loopback.
func CheckAlone() error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 && l.Flags&net.FlagUp != 0 {
			return fmt.Errorf("readers here would listen on %s: enter a network namespace first", l.Name)
		}
	}
	return nil
}

// Readers are pcscd and its two slots.
type Readers struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

// Start starts pcscd on the /run of this mount namespace and
// waits until it answers. It ends with the test.
func Start(t testing.TB, more ...string) *Readers {
	t.Helper()
	r, err := Run(t.Context(), t.TempDir(), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		if text, err := os.ReadFile(r.log.Name()); err == nil && t.Failed() {
			t.Logf("pcscd:\n%s", text)
		}
	})
	return r
}

// Run is Start for programs: dir keeps its configuration and log.
func Run(ctx context.Context, dir string, more ...string) (*Readers, error) {
	if err := CheckAlone(); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "readers")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(conf, "vpcd"), []byte(ReaderConf), 0o644); err != nil {
		return nil, err
	}
	if err := os.MkdirAll("/run/pcscd", 0o755); err != nil {
		return nil, err
	}
	for _, left := range []string{"/run/pcscd/pcscd.comm", "/run/pcscd/pcscd.pid"} {
		_ = os.Remove(left)
	}
	log, err := os.Create(filepath.Join(dir, "pcscd.log"))
	if err != nil {
		return nil, err
	}
	args := append(append(Arguments(), "--config", conf), more...)
	r := &Readers{cmd: exec.Command("pcscd", args...), done: make(chan struct{}), log: log}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (packaging/install-deps test)", err)
	}
	go func() { _ = r.cmd.Wait(); close(r.done) }()
	if err := r.up(ctx); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// Arguments start pcscd in the foreground. Where it asks polkit, it is told not to: the
// tests of cards are not about polkit.
func Arguments() []string {
	help, err := exec.Command("pcscd", "--help").CombinedOutput()
	if err == nil && strings.Contains(string(help), "--disable-polkit") {
		return []string{"--foreground", "--disable-polkit"}
	}
	return []string{"--foreground"}
}

// answering tells whether a socket takes connections: its file is there a moment before.
func answering(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// up waits until both slots listen and pcscd has its socket.
func (r *Readers) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if answering("/run/pcscd/pcscd.comm") && listening(port) && listening(port+1) {
			return nil
		}
		select {
		case <-r.done:
			text, _ := os.ReadFile(r.log.Name())
			return fmt.Errorf("pcscd ended: %s", text)
		case <-ctx.Done():
			return fmt.Errorf("pcscd does not come up: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// listening looks in the kernel's table: a connection would be taken for a card.
func listening(port int) bool {
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		if table, err := os.ReadFile(file); err == nil && hasListener(string(table), port) {
			return true
		}
	}
	return false
}

// Hang stops pcscd where it is, and GoOn ends that.
func (r *Readers) Hang() error { return r.cmd.Process.Signal(syscall.SIGSTOP) }

// GoOn ends Hang.
func (r *Readers) GoOn() error { return r.cmd.Process.Signal(syscall.SIGCONT) }

// Stop ends pcscd at once.
func (r *Readers) Stop() {
	_ = r.cmd.Process.Kill()
	<-r.done
	_ = r.log.Close()
}

// Inserted is a card in a slot.
type Inserted struct {
	card *Card
	conn net.Conn
	once sync.Once
	done chan struct{}
}

// atr offers T=1 and nothing else.
func atr() []byte { return []byte{0x3b, 0x80, 0x01, 0x81} }

// Insert puts the card into slot 0 or 1. The reader sees it some moments later.
func (c *Card) Insert(slot int) (*Inserted, error) {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port+slot))
	if err != nil {
		return nil, err
	}
	i := &Inserted{card: c, conn: conn, done: make(chan struct{})}
	go func() {
		defer close(i.done)
		defer i.close()
		_ = i.serve()
	}()
	return i, nil
}

func (i *Inserted) close() { i.once.Do(func() { _ = i.conn.Close() }) }

// Remove takes it out.
func (i *Inserted) Remove() {
	i.close()
	<-i.done
}

// Gone is closed once it is out.
func (i *Inserted) Gone() <-chan struct{} { return i.done }

var errPulled = errors.New("pulled")

func (i *Inserted) serve() error {
	for {
		quick(i.conn)
		message, err := receive(i.conn)
		if err != nil {
			return err
		}
		switch {
		case len(message) == 1 && message[0] <= 2:
			i.card.power()
		case len(message) == 1 && message[0] == 4:
			err = send(i.conn, atr())
		case len(message) > 1:
			err = i.apdu(message)
		}
		if err != nil {
			return err
		}
	}
}

func (i *Inserted) apdu(message []byte) error {
	out, fault := i.card.answer(message)
	switch fault {
	case Pull:
		return errPulled
	case Hang:
		_, err := receive(i.conn) // which comes no more
		return errors.Join(errPulled, err)
	default:
		return send(i.conn, out)
	}
}

// quick has the kernel acknowledge what comes at once: the driver sends a message
// in two parts, and the second would wait 40 ms for that.
func quick(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
		}
	}
}

func receive(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func send(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}
