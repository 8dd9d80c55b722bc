package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is one throwaway machine. Its methods are for one goroutine.
type Machine struct {
	// Root is the machine's file system as the host sees it.
	Root   string
	base   string // the tmpfs that holds upper, work and root
	mounts []string
	procs  []*Process
	init   int // systemd, as this PID namespace numbers it, where it was booted
}

// New mounts a machine over the host's root. Call Close.
func New() (*Machine, error) { return Over("/") }

// Over mounts a machine over another root folder, which stays as it is. Call Close.
func Over(lower string) (_ *Machine, err error) { //nolint:nonamedreturns // Close on any error below
	base, err := os.MkdirTemp("", "sallyport-machine-")
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	m := &Machine{base: base, Root: filepath.Join(base, "root")}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if err := m.mount("tmpfs", base, "tmpfs", 0, "mode=0755"); err != nil {
		return nil, err
	}
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o755); err != nil {
			return nil, fmt.Errorf("machine: %w", err)
		}
	}
	if err := hide(filepath.Join(base, "upper"), otherRoots); err != nil {
		return nil, err
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, filepath.Join(base, "upper"), filepath.Join(base, "work"))
	if err := m.mount("overlay", m.Root, "overlay", 0, layers); err != nil {
		return nil, err
	}
	return m, m.fileSystems()
}

// otherRoots is where packaging/test-distro keeps whole root folders. Their files
// are owned by numbers, which on a machine may be those of other users.
const otherRoots = "/var/cache/sallyport-test"

// hide makes a path of the lower folder absent: a device 0:0 is overlayfs's whiteout.
func hide(upper, path string) error {
	path = filepath.Join(upper, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("machine: %w", err)
	}
	if err := unix.Mknod(path, unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("machine: hide %s: %w", path, err)
	}
	return nil
}

// fileSystems mounts what every program expects. /dev is the host's, so that a
// terminal opened outside has the same name inside.
func (m *Machine) fileSystems() error {
	for _, fs := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"proc", "/proc", "proc", 0, ""},
		{"/dev", "/dev", "", unix.MS_BIND | unix.MS_REC, ""},
		{"/sys", "/sys", "", unix.MS_BIND, ""},
		{"tmpfs", "/run", "tmpfs", 0, "mode=0755"},
		{"tmpfs", "/tmp", "tmpfs", 0, "mode=1777"},
	} {
		if err := m.mount(fs.source, filepath.Join(m.Root, fs.target), fs.kind, fs.flags, fs.data); err != nil {
			return err
		}
	}
	for _, d := range []string{"/run/lock", "/run/sshd", "/var/tmp"} {
		if err := os.MkdirAll(m.Path(d), 0o755); err != nil {
			return fmt.Errorf("machine: %w", err)
		}
	}
	return m.nameHost()
}

// nameHost lets sudo find the host's name, where the host's own files have none.
func (m *Machine) nameHost() error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("machine: %w", err)
	}
	hosts, err := os.ReadFile(m.Path("/etc/hosts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("machine: %w", err)
	}
	return m.WriteFile("/etc/hosts", fmt.Sprintf("127.0.0.1 localhost\n127.0.1.1 %s\n%s", name, hosts), 0o644)
}

func (m *Machine) mount(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("machine: %w", err)
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	m.mounts = append(m.mounts, target)
	return nil
}

// Path is where the host finds the machine's file.
func (m *Machine) Path(inside string) string { return filepath.Join(m.Root, inside) }

// Close ends every process that the machine started and forgets its disk.
func (m *Machine) Close() error {
	var all error
	if m.init != 0 {
		_ = syscall.Kill(m.init, syscall.SIGKILL) // and so all that it runs: it may outlive nspawn
	}
	for i := len(m.procs) - 1; i >= 0; i-- {
		m.procs[i].Kill()
	}
	for i := len(m.mounts) - 1; i >= 0; i-- {
		all = errors.Join(all, unix.Unmount(m.mounts[i], unix.MNT_DETACH))
	}
	return errors.Join(all, os.RemoveAll(m.base))
}

// environment is what a machine's programs start with.
func environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C.UTF-8"}
}

// Command prepares a program on the machine, as root.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "/usr/sbin/chroot", append([]string{m.Root, name}, args...)...)
	c.Env = environment()
	c.Dir = "/"
	c.WaitDelay = 5 * time.Second
	return c
}

// Run runs a program and returns all that it printed. The error holds it too.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	return m.RunInput(ctx, "", name, args...)
}

// RunInput is Run with text on standard input.
func (m *Machine) RunInput(ctx context.Context, input, name string, args ...string) (string, error) {
	c := m.Command(ctx, name, args...)
	if input != "" {
		c.Stdin = strings.NewReader(input)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Script runs lines of sh, and stops at the first that fails.
func (m *Machine) Script(ctx context.Context, lines string) (string, error) {
	return m.Run(ctx, "/bin/sh", "-euc", lines)
}

// WriteFile puts a file on the machine.
func (m *Machine) WriteFile(path, text string, mode os.FileMode) error {
	p := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Chmod(p, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Process is a program left running.
type Process struct {
	Cmd    *exec.Cmd
	Output *Log
	done   chan struct{}
}

// Start leaves a program running until Close or Kill, also when ctx has ended; its
// output is kept.
func (m *Machine) Start(ctx context.Context, name string, args ...string) (*Process, error) {
	c := m.Command(context.WithoutCancel(ctx), name, args...)
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, err := m.keep(c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// keep starts a program and remembers it for Close.
func (m *Machine) keep(c *exec.Cmd) (*Process, error) {
	p := &Process{Cmd: c, Output: newLog(), done: make(chan struct{})}
	c.Stdout, c.Stderr = p.Output, p.Output
	if err := c.Start(); err != nil {
		return nil, err //nolint:wrapcheck // callers say which
	}
	go func() {
		_ = c.Wait()
		close(p.done)
		p.Output.end()
	}()
	m.procs = append(m.procs, p)
	return p, nil
}

// Signal sends to the program and its children. After SIGSTOP it waits until every
// thread of the program stands still: on a busy machine one may go on for a moment.
func (p *Process) Signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.Cmd.Process.Pid, s); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	if s != syscall.SIGSTOP {
		return nil
	}
	for end := time.Now().Add(Patience); !stopped(p.Cmd.Process.Pid); {
		if time.Now().After(end) {
			return fmt.Errorf("signal: process %d does not stop", p.Cmd.Process.Pid)
		}
		time.Sleep(time.Millisecond) // between looks
	}
	return nil
}

// stopped tells whether each thread is, by proc(5).
func stopped(pid int) bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		return false
	}
	for _, f := range stats {
		text, err := os.ReadFile(f)
		_, after, ok := strings.Cut(string(text), ") ")
		if err != nil || !ok || after[0] != 'T' {
			return false
		}
	}
	return true
}

// Stop asks the program to end and waits for it.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.Signal(syscall.SIGCONT)
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("still running after SIGTERM: %w", ctx.Err())
	}
}

// Kill ends the program now.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// CopyIn copies a host's file onto the machine.
func (m *Machine) CopyIn(host, inside string, mode os.FileMode) error {
	b, err := os.ReadFile(host)
	if err != nil {
		return fmt.Errorf("copy in: %w", err)
	}
	return m.WriteFile(inside, string(b), mode)
}

var _ io.Writer = (*Log)(nil)

// errEnded says that a program ended before it printed what was waited for.
var errEnded = errors.New("the program ended")
