package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// Promise announced.
func TestADesktopShowsWhatSomebodyWroteAsItIs(t *testing.T) {
	address := sessionBus(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	told := make(chan []string, 8)
	notifications(t, strings.TrimPrefix(address, "unix:path="), told)
	sock := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(sock, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	q := report.Request{
		ID: "R1", State: "waiting", Account: "ada", Machine: "laptop", Origin: "seat", Subject: "ssh ada@web1",
		Reason: `<a href="https://example.org">look</a> & <b>`,
	}
	go func() {
		_ = (&control.Server{Operator: waiting{q}, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	var said bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		app := &cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: &said, Now: time.Now}
		ended <- app.Run(ctx, []string{"requests", "--watch", "--notify", "--socket", sock})
	}()
	select {
	case words := <-told:
		if words[0] != "sallyport" || words[2] != "Approval needed: ssh ada@web1" {
			t.Errorf("the desktop shows %q", words)
		}
		want := "asked by ada at laptop (seat)\nreason: &lt;a href=\"https://example.org\"&gt;look&lt;/a&gt; &amp; &lt;b&gt;\nTo decide: sallyport approve R1"
		if words[3] != want {
			t.Errorf("the desktop shows\n%s\nwant\n%s", words[3], want)
		}
	case <-ended:
		t.Fatalf("it ended:\n%s", &said)
	case <-time.After(30 * time.Second):
		t.Fatal("the desktop shows nothing")
	}
	stop()
	<-ended
}

// Promise announced.
func TestWhoIsNotShownANoticeHearsOfIt(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	sock := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(sock, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	go func() {
		_ = (&control.Server{Operator: waiting{report.Request{ID: "R1", State: "waiting"}}, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ended := make(chan int, 1)
	go func() {
		app := &cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: w, Now: time.Now}
		ended <- app.Run(ctx, []string{"requests", "--watch", "--notify", "--socket", sock})
		_ = w.Close()
	}()
	heard := ""
	for s := bufio.NewScanner(r); s.Scan(); {
		if heard += s.Text() + "\n"; strings.Contains(s.Text(), "sallyport: --notify: ") {
			stop()
		}
	}
	if <-ended; !strings.Contains(heard, "sallyport: --notify: ") {
		t.Errorf("it says %q", heard)
	}
}

type waiting struct{ q report.Request }

func (w waiting) Handle(_ context.Context, _ identity.Peer, _ string, _ []byte, emit func(any) error) error {
	return emit(report.Requested{Others: []report.Request{w.q}})
}

// sessionBus is a real message bus, and its address.
func sessionBus(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	address := "unix:path=" + filepath.Join(folder, "bus")
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address="+address)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return address
}

// notifications is a desktop: what its Notify is called with goes to told. It speaks as much
// of the D-Bus Specification as that takes.
func notifications(t *testing.T, path string, told chan<- []string) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "\x00AUTH EXTERNAL %s\r\n", hex.EncodeToString([]byte(strconv.Itoa(os.Getuid()))))
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "OK") {
		t.Fatalf("%s %v", line, err)
	}
	fmt.Fprint(c, "BEGIN\r\n")
	b := &busMessage{kind: 1, serial: 1}
	b.fields("o", 1, "/org/freedesktop/DBus", "s", 2, "org.freedesktop.DBus", "s", 3, "Hello", "s", 6, "org.freedesktop.DBus")
	b.to(c)
	b = &busMessage{kind: 1, serial: 2}
	b.fields("o", 1, "/org/freedesktop/DBus", "s", 2, "org.freedesktop.DBus", "s", 3, "RequestName", "s", 6, "org.freedesktop.DBus", "g", 8, "su")
	b.body.string("org.freedesktop.Notifications")
	b.body.uint32(0)
	b.to(c)
	owned := make(chan struct{})
	go serveNotifications(c, r, owned, told)
	select {
	case <-owned:
	case <-time.After(10 * time.Second):
		t.Fatal("the bus gives no name")
	}
}

func serveNotifications(c io.Writer, r io.Reader, owned chan<- struct{}, told chan<- []string) {
	for serial := uint32(3); ; serial++ {
		head := make([]byte, 16)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		fields := make([]byte, (binary.LittleEndian.Uint32(head[12:])+7)/8*8)
		body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(r, fields); err != nil {
			return
		}
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		switch {
		case head[1] == 2 && bytes.Contains(fields, []byte{5, 1, 'u', 0, 2, 0, 0, 0}): // the answer to RequestName
			close(owned)
		case bytes.Contains(fields, []byte("Notify\x00")):
			p := parsed{body, 0}
			app := p.string()
			p.align()
			p.at += 4 // what it is in the place of
			told <- []string{app, p.string(), p.string(), p.string()}
			from := fields[bytes.Index(fields, []byte{7, 1, 's', 0})+4:]
			sender := string(from[4 : 4+binary.LittleEndian.Uint32(from)])
			b := &busMessage{kind: 2, serial: serial}
			b.fields("u", 5, binary.LittleEndian.Uint32(head[8:]), "s", 6, sender, "g", 8, "u")
			b.body.uint32(1)
			b.to(c)
		}
	}
}

// marshalled is what is written in D-Bus's little-endian form.
type marshalled struct{ bytes.Buffer }

func (m *marshalled) pad(to int) {
	for m.Len()%to != 0 {
		m.WriteByte(0)
	}
}

func (m *marshalled) uint32(n uint32) {
	m.pad(4)
	_ = binary.Write(m, binary.LittleEndian, n)
}

func (m *marshalled) string(s string) {
	m.uint32(uint32(len(s)))
	m.WriteString(s + "\x00")
}

type busMessage struct {
	kind       byte
	serial     uint32
	list, body marshalled
}

// fields are triples: signature, number and value.
func (b *busMessage) fields(words ...any) {
	for i := 0; i < len(words); i += 3 {
		b.list.pad(8)
		b.list.WriteByte(byte(words[i+1].(int)))
		signature := words[i].(string)
		b.list.WriteString("\x01" + signature + "\x00")
		switch v := words[i+2].(type) {
		case uint32:
			b.list.uint32(v)
		case string:
			if signature == "g" {
				b.list.WriteByte(byte(len(v)))
				b.list.WriteString(v + "\x00")
			} else {
				b.list.string(v)
			}
		}
	}
}

func (b *busMessage) to(w io.Writer) {
	var all marshalled
	all.Write([]byte{'l', b.kind, 0, 1})
	all.uint32(uint32(b.body.Len()))
	all.uint32(b.serial)
	all.uint32(uint32(b.list.Len()))
	all.Write(b.list.Bytes())
	all.pad(8)
	all.Write(b.body.Bytes())
	_, _ = w.Write(all.Bytes())
}

type parsed struct {
	b  []byte
	at int
}

func (p *parsed) align() { p.at = (p.at + 3) / 4 * 4 }

func (p *parsed) string() string {
	p.align()
	n := int(binary.LittleEndian.Uint32(p.b[p.at:]))
	s := string(p.b[p.at+4 : p.at+4+n])
	p.at += 4 + n + 1
	return s
}
