package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// Build builds sallyport-server into a folder.
func Build(ctx context.Context, into string) (string, error) {
	binary := filepath.Join(into, "sallyport-server")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/sallyport-auth/sallyport/cmd/sallyport-server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, nil
}

// Process is a sallyport-server that serves a realm's folder.
type Process struct {
	Binary, Dir string
	// Words are further ones for serve.
	Words []string
	// URL is where it is reached, from its first start on.
	URL string

	mu  sync.Mutex
	log strings.Builder

	listen  string
	command *exec.Cmd
	ended   chan error
}

var ready = regexp.MustCompile(`ready on https://(\S+)`)

// Start starts it, at the same port each time, and waits until it answers.
func (p *Process) Start(ctx context.Context) error {
	if p.listen == "" {
		p.listen = "127.0.0.1:0"
	}
	c := exec.CommandContext(context.WithoutCancel(ctx), p.Binary, append([]string{"serve", "--dir", p.Dir, "--listen", p.listen}, p.Words...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	c.Stderr = (*logged)(p)
	started := make(chan error, 1)
	p.ended = make(chan error, 1)
	found := make(chan string, 1)
	go func() {
		// The kernel ends the server with the thread that began it, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		close(found)
		p.ended <- c.Wait()
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	address, ok := <-found
	if !ok {
		return fmt.Errorf("a server does not start: %w: %s", <-p.ended, p.Log())
	}
	p.command, p.listen, p.URL = c, address, "https://"+address
	return nil
}

// Kill ends it as kill -9 does.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop ends it as systemd does.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

func (p *Process) end(s syscall.Signal) error {
	if p.command == nil {
		return nil // it has ended
	}
	err := p.command.Process.Signal(s)
	p.command = nil
	var exit *exec.ExitError
	if werr := <-p.ended; !errors.As(werr, &exit) {
		err = errors.Join(err, werr)
	}
	return err
}

// Log is what it has written to its log.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Admin runs one of sallyport-server's commands on a folder.
func (p *Process) Admin(ctx context.Context, stdin string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, p.Binary, append(args, "--dir", p.Dir)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("sallyport-server %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// logged takes what a process writes.
type logged Process

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	p := (*Process)(l)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

var _ io.Writer = (*logged)(nil)

// SealKey is the file that another server of the realm needs.
func (p *Process) SealKey() string { return filepath.Join(p.Dir, "seal.key") }
