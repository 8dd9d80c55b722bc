package control //nolint:testpackage // receive is what reads the daemon's packets

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/wire"
)

// FuzzAnswer: whatever packets a daemon sends, the client takes nothing for a
// yes but a Done that says so, and hands on nothing that is not a whole value.
// The input is packets, each behind two bytes of length.
func FuzzAnswer(f *testing.F) {
	item := wire.New(wire.Item).Add(wire.JSON, []byte(`{"a":1}`))
	part := wire.New(wire.Item).Add(wire.JSON, []byte(`{"a"`)).AddNumbers(wire.More, 1)
	rest := wire.New(wire.Item).Add(wire.JSON, []byte(`:1}`))
	f.Add(packets(f, wire.New(wire.Done).AddNumbers(wire.Code, codeOK)))
	f.Add(packets(f, item, item, wire.New(wire.Done).AddNumbers(wire.Code, codeOK)))
	f.Add(packets(f, part, rest, wire.New(wire.Done).AddNumbers(wire.Code, codeOK)))
	f.Add(packets(f, part, wire.New(wire.Done).AddNumbers(wire.Code, codeOK)))
	f.Add(packets(f, wire.New(wire.Done).AddNumbers(wire.Code, codeForbidden).AddString(wire.Text, "no")))
	f.Add(packets(f, wire.New(wire.Done).AddNumbers(wire.Code, 0)))
	f.Add(packets(f, wire.New(wire.Working)))
	f.Add([]byte{0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, input []byte) {
		client, daemon := pair(t)
		defer client.Close()
		yes, open := false, false
		for len(input) >= 2 {
			n := min(int(binary.LittleEndian.Uint16(input)), len(input)-2)
			packet := input[2 : 2+n]
			input = input[2+n:]
			if err := unix.Send(daemon, packet, unix.MSG_DONTWAIT); err != nil {
				break // the queue is full: enough for one answer
			}
			m, err := wire.Parse(packet)
			if err != nil {
				break
			}
			if m.Type == wire.Item {
				open = m.Number(wire.More) == 1
			} else {
				yes = m.Type == wire.Done && m.Number(wire.Code) == codeOK && !open
				break
			}
		}
		_ = unix.Close(daemon)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := receive(ctx, wire.NewConn(client), func(v json.RawMessage) error {
			if len(v) == 0 {
				t.Error("a value of nothing")
			}
			return nil
		})
		if err == nil && !yes {
			t.Error("a yes that nobody said")
		}
	})
}

func packets(f *testing.F, all ...*wire.Message) []byte {
	f.Helper()
	var out []byte
	for _, m := range all {
		b, err := m.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		out = append(binary.LittleEndian.AppendUint16(out, uint16(len(b))), b...)
	}
	return out
}

// pair is both ends of a connection; the daemon's is a bare descriptor.
func pair(t *testing.T) (client *net.UnixConn, daemon int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "socketpair")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn), fds[1]
}
