package control_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// TestMain is also the idle user: a process of another uid that connects again and
// again, says nothing, and waits to be killed.
func TestMain(m *testing.M) {
	path := os.Getenv("SALLYPORT_TEST_IDLE")
	if path == "" {
		os.Exit(m.Run())
	}
	var held []*wire.Conn
	for range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		c, err := wire.Dial(ctx, path)
		cancel()
		if err != nil {
			break // a full backlog is as good
		}
		held = append(held, c)
	}
	os.Stdout.WriteString("idle\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
	for _, c := range held {
		_ = c.Close()
	}
}

func TestAUserWhoConnectsAndSaysNothingDoesNotKeepRootOut(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to be somebody else")
	}
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := serveAt(t, filepath.Join(dir, "control.sock"), func(_ context.Context, _ identity.Peer, _ string, _ []byte, emit func(any) error) error {
		return emit(1)
	}).Path
	program := filepath.Join(dir, "idle")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	idle := exec.CommandContext(t.Context(), program)
	idle.Env = []string{"SALLYPORT_TEST_IDLE=" + path}
	idle.Dir = "/"
	idle.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	in, err := idle.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := new(strings.Builder)
	ready := make(chan struct{})
	idle.Stdout = writer(func(b []byte) (int, error) {
		if out.Write(b); strings.Contains(out.String(), "idle") {
			close(ready)
		}
		return len(b), nil
	})
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = idle.Wait() })
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		t.Fatal("the idle user is not there")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // less than the idle one's patience
	defer cancel()
	if n, err := control.One[int](ctx, control.Client{Path: path}, "v", nil); n != 1 || err != nil {
		t.Fatalf("root got %d, %v", n, err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
