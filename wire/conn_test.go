package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/wire"
)

// socketPath is a short one: a socket's path has 107 bytes.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// pair is a connection and its other end, raw.
func pair(t *testing.T) (*wire.Conn, *net.UnixConn) {
	t.Helper()
	path := socketPath(t)
	l, err := wire.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := wire.Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = raw.Close() })
	return c, raw
}

func TestWhatIsSentIsReceived(t *testing.T) {
	c, raw := pair(t)
	other := wire.NewConn(raw)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, n := range []int{0, 1, 5000, wire.MaxField} {
		if err := c.Send(ctx, wire.New(wire.Answer).Add(wire.Secret, bytes.Repeat([]byte("a"), n))); err != nil {
			t.Fatal(err)
		}
		m, err := other.Receive(ctx)
		if err != nil || m.Type != wire.Answer || len(m.Bytes(wire.Secret)) != n {
			t.Fatalf("received %v, %v", m, err)
		}
	}
	p, err := other.Peer()
	if err != nil || int(p.PID) != os.Getpid() || int(p.UID) != os.Getuid() {
		t.Errorf("the peer is %+v, %v", p, err)
	}
	_ = c.Close()
	if _, err := other.Receive(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAPacketThatIsNoMessageIsMalformed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for name, packet := range map[string][]byte{
		"garbage": []byte("garbage"), "more than 64 KiB": make([]byte, wire.MaxPacket+1), "twice 64 KiB": make([]byte, 2*wire.MaxPacket),
	} {
		t.Run(name, func(t *testing.T) {
			c, raw := pair(t)
			_ = raw.SetWriteBuffer(1 << 20)
			if _, err := raw.Write(packet); err != nil {
				t.Fatal(err)
			}
			if m, err := c.Receive(ctx); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("received %v, %v", m, err)
			}
		})
	}
}

func TestAContextEndsAReceiveAndNotTheNextOne(t *testing.T) {
	c, raw := pair(t)
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		got := make(chan error, 1)
		go func() {
			_, err := c.Receive(ctx)
			got <- err
		}()
		cancel()
		if err := <-got; err == nil {
			t.Fatal("received something")
		}
		if _, err := raw.Write([]byte{wire.Version, byte(wire.Working), 0, 0}); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(context.Background()); err != nil || m.Type != wire.Working {
			t.Fatalf("received %v, %v", m, err)
		}
	}
}

func TestDialDoesNotWaitForAListenerThatNeverAccepts(t *testing.T) {
	path := socketPath(t)
	l, err := wire.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := wire.Dial(ctx, path)
		if err != nil {
			if ctx.Err() != nil {
				t.Error("it waited for its deadline")
			}
			return
		}
		defer func() { _ = c.Close() }()
	}
}

// Ten thousand idle connections would hold 640 MB if each kept room for a packet,
// from its first message on or while it waits for one.
func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	const n = 200
	conns, raws := make([]*wire.Conn, n), make([]*net.UnixConn, n)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, n)
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := memory()
	for i := range conns {
		conns[i], raws[i] = pair(t)
		if _, err := raws[i].Write([]byte{wire.Version, byte(wire.Working), 0, 0}); err != nil {
			t.Fatal(err)
		}
		if _, err := conns[i].Receive(ctx); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = conns[i].Receive(ctx); done <- struct{}{} }()
	}
	waiting(t, n)
	if grown := int64(memory()) - int64(before); grown > n*24<<10 {
		t.Errorf("%d bytes for %d idle connections", grown, n)
	}
	cancel()
	for range n {
		<-done
	}
	runtime.KeepAlive(conns)
}

// waiting waits until n goroutines sleep in Receive.
func waiting(t *testing.T, n int) {
	t.Helper()
	all := make([]byte, 2<<20)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		asleep := 0
		for stack := range bytes.SplitSeq(all[:runtime.Stack(all, true)], []byte("\n\n")) {
			if bytes.Contains(stack, []byte("[IO wait")) && bytes.Contains(stack, []byte("wire.(*Conn).Receive")) {
				asleep++
			}
		}
		if asleep == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d wait", asleep, n)
		}
	}
}
