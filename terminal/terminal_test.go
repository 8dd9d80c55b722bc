package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestMain is also the program that is ended at its question.
func TestMain(m *testing.M) {
	if os.Getenv("ASK") == "" {
		os.Exit(m.Run())
	}
	_, stop := signal.NotifyContext(context.Background(), os.Interrupt) // as our commands do
	defer stop()
	_, err := ReadSecret(os.Stdin, os.Stdout, "Password: ")
	os.Stdout.WriteString("not ended: " + errors.Join(err, io.EOF).Error())
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// screen is what a question is written to; it looks at the terminal before it shows it.
type screen struct {
	shown  bytes.Buffer
	before func(shown string)
}

func (s *screen) Write(p []byte) (int, error) {
	s.before(string(p))
	return s.shown.Write(p)
}

func TestEchoIsOffBeforeTheQuestionIsShown(t *testing.T) {
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer tty.Close()
	out := &screen{before: func(shown string) {
		if echoes(t, tty) {
			t.Errorf("echo is on while %q is shown", shown)
		}
	}}
	if _, err := keys.WriteString("hunter2 ü\n"); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSecret(tty, out, "Password: ")
	if err != nil || string(got) != "hunter2 ü" || out.shown.String() != "Password: \n" {
		t.Errorf("read %q, %v, with %q on the screen", got, err, out.shown.String())
	}
	if !echoes(t, tty) {
		t.Error("echo stays off")
	}
}

func TestTheEndOfInputIsNoSecret(t *testing.T) {
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer tty.Close()
	if _, err := keys.WriteString("\x04"); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	if got, err := ReadSecret(tty, io.Discard, "Password: "); !errors.Is(err, io.EOF) || len(got) > 0 {
		t.Errorf("read %q, %v", got, err)
	}
	if got, err := readLine(strings.NewReader(strings.Repeat("x", lineMax+1))); err == nil {
		t.Errorf("a line of %d bytes is cut to %d", lineMax+1, len(got))
	}
	if _, err := ReadSecret(os.NewFile(99, "closed"), io.Discard, "Password: "); err == nil {
		t.Error("a secret from no terminal")
	}
}

func TestEchoIsBackWhenTheProgramIsEnded(t *testing.T) {
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer tty.Close()
	c := exec.CommandContext(t.Context(), "/proc/self/exe")
	c.Env = append(os.Environ(), "ASK=1")
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	for b := make([]byte, 64); !strings.Contains(seen.String(), "Password: "); {
		n, err := keys.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(b[:n])
	}
	if _, err := keys.WriteString("half a passw\x03"); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := c.Wait(); !errors.As(err, &ended) || !strings.Contains(ended.Error(), "interrupt") {
		t.Errorf("Ctrl-C: %v", err)
	}
	if !echoes(t, tty) {
		t.Error("echo stays off")
	}
}
