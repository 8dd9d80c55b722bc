// Package terminal asks a person for a secret.
//
// Echo is off before the question is on the screen, so that nobody who types as soon as
// they can read it shows what they type. It is on again afterwards, also where the person
// ends the program with Ctrl-C or hangs up. What was typed ahead of the question is kept.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// lineMax is what the kernel takes of one line at a terminal (N_TTY_BUF_SIZE).
const lineMax = 4096

// Is tells whether a file is a terminal.
func Is(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// ReadSecret writes a question to out and reads one line from in, a terminal, without echo.
// The line comes without its end; an empty line is no error. At the end of the input with
// nothing typed the error is io.EOF.
func ReadSecret(in *os.File, out io.Writer, question string) (_ []byte, err error) { //nolint:nonamedreturns // that echo stays off is an error, too
	fd := int(in.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	restore := func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) }
	defer beforeDeath(restore)()
	defer func() { err = errors.Join(err, restore()) }()
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, fmt.Errorf("turn echo off: %w", err)
	}
	if _, err := io.WriteString(out, question); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	line, err := readLine(in)
	if _, e := fmt.Fprintln(out); e != nil { // the Enter was not echoed either
		err = errors.Join(err, e)
	}
	return line, err
}

// readLine reads up to the end of a line, and nothing of the next one. It is here because
// term.ReadPassword reads on for ever from a terminal that was hung up.
func readLine(in io.Reader) ([]byte, error) {
	line := make([]byte, 0, lineMax) // never grown, so that no copy of a secret stays behind
	var c [1]byte
	for {
		switch n, err := in.Read(c[:]); {
		case n == 1 && c[0] == '\n':
			return line, nil
		case n == 1 && len(line) == lineMax:
			return nil, fmt.Errorf("a line of over %d bytes", lineMax)
		case n == 1:
			line = append(line, c[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		}
	}
}

// beforeDeath runs restore before a signal ends the program, until the function that it
// gives is called. The program ends by that signal also where it catches it otherwise,
// because nothing else ends its read from the terminal.
func beforeDeath(restore func() error) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		select {
		case s := <-signals:
			_ = restore() // the program ends either way
			signal.Reset(s)
			if n, ok := s.(syscall.Signal); ok {
				_ = unix.Kill(os.Getpid(), n)
			}
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
