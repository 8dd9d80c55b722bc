package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// Console is a person at a terminal: a program on a pty that a test types into
// and reads from.
type Console struct {
	cmd  *exec.Cmd
	tty  *os.File
	log  *Log
	mark int
	err  error
	done chan struct{}
}

// Patience is how long a person waits for a text before giving up.
const Patience = 40 * time.Second

// Console starts a program on a new terminal of its own.
func (m *Machine) Console(ctx context.Context, name string, args ...string) (*Console, error) {
	return onTerminal(m.Command(ctx, name, args...))
}

// At runs lines of sh within the container, on a new terminal.
func (b *Booted) At(ctx context.Context, lines string) (*Console, error) {
	return onTerminal(b.command(ctx, lines))
}

func onTerminal(c *exec.Cmd) (*Console, error) {
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	tty, err := pty.StartWithAttrs(c, &pty.Winsize{Rows: 40, Cols: 200}, c.SysProcAttr)
	if err != nil {
		return nil, fmt.Errorf("start %s on a terminal: %w", c.Path, err)
	}
	t := &Console{cmd: c, tty: tty, log: newLog(), done: make(chan struct{})}
	go t.read()
	return t, nil
}

// read keeps the screen until the program has ended and nothing is left to read.
// A terminal without any program on it answers EIO, and so does one that login(1)
// has just hung up to be its only user: then the next program opens it again.
func (t *Console) read() {
	exited := make(chan struct{})
	go func() {
		t.err = t.cmd.Wait()
		close(exited)
	}()
	buf := make([]byte, 4096)
	for {
		n, err := t.tty.Read(buf)
		_, _ = t.log.Write(bytes.ReplaceAll(buf[:n], []byte("\r"), nil))
		if err == nil {
			continue
		}
		select {
		case <-exited:
			t.log.end()
			close(t.done)
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Expect waits until one of texts stands on the screen after what was expected
// before, and returns what stood in front of it.
func (t *Console) Expect(ctx context.Context, texts ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	end, err := t.log.WaitFrom(ctx, t.mark, texts...)
	if err != nil {
		return "", err
	}
	seen := t.log.String()[t.mark:end]
	t.mark = end
	return seen, nil
}

// Send types a line.
func (t *Console) Send(line string) error {
	if _, err := t.tty.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	return nil
}

// Talk is Expect and Send in turn: what to wait for, what to type, and so on. A
// last text without an answer is only waited for.
func (t *Console) Talk(ctx context.Context, turns ...string) error {
	for i := 0; i < len(turns); i += 2 {
		if _, err := t.Expect(ctx, turns[i]); err != nil {
			return err
		}
		if i+1 < len(turns) {
			if err := t.Send(turns[i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Wait waits for the program to end and returns all that stood on the screen and
// the program's exit code.
func (t *Console) Wait(ctx context.Context) (string, int, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	select {
	case <-t.done:
	case <-ctx.Done():
		return t.log.String(), 0, fmt.Errorf("the program goes on: %w; there is:\n%s", ctx.Err(), t.log.String())
	}
	_ = t.tty.Close()
	var exit *exec.ExitError
	if t.err != nil && !errors.As(t.err, &exit) {
		return t.log.String(), 0, fmt.Errorf("console: %w", t.err)
	}
	return t.log.String(), t.cmd.ProcessState.ExitCode(), nil
}

// Hangup closes the terminal, as a person does who walks away, and ends a program
// that stays on without one.
func (t *Console) Hangup() {
	_ = t.tty.Close()
	_ = t.cmd.Process.Kill()
	<-t.done
}

// Screen is all that stood on the terminal so far.
func (t *Console) Screen() string { return t.log.String() }

// first finds which of texts comes first in b, and where it ends.
func first(b []byte, texts []string) (index, end int) {
	best := -1
	for i, s := range texts {
		if at := strings.Index(string(b), s); at >= 0 && (best < 0 || at < best) {
			best, index, end = at, i, at+len(s)
		}
	}
	return index, end
}
