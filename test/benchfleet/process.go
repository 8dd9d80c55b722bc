package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one that the benchmark started. Those of this program answer each line that
// they are sent with one line of JSON.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(ctx context.Context, name string, args ...string) (*process, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &process{c, in, bufio.NewReader(out)}, nil
}

// self starts this program in a role.
func self(ctx context.Context, role, url, folder string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return start(ctx, program, "-role", role, "-url", url, "-folder", folder)
}

// ask sends a line and reads the answer.
func (p *process) ask(line string, answer any) error {
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	said, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return fmt.Errorf("%s: %w in %s", line, err, said)
	}
	return nil
}

// answers is the other side of ask.
func answers(f func(words []string) (any, error)) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		answer, err := f(strings.Fields(in.Text()))
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return in.Err() //nolint:wrapcheck // of the pipe
}

func (p *process) stop() {
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.in.Close()
	_ = p.Wait()
}

// ticks of proc(5) in a second, on every architecture that Go knows.
const ticks = 100

// cpu is the processor time that the process has taken, from proc_pid_stat(5).
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	system, err := strconv.Atoi(f[12])
	return time.Duration(user+system) * (time.Second / ticks), err //nolint:wrapcheck // as above
}

// resident is its memory in bytes, VmRSS of proc_pid_status(5).
func (p *process) resident() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	return kib * 1024, err //nolint:wrapcheck // as above
}
