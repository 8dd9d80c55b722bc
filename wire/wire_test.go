package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
	"github.com/sallyport-auth/sallyport/wire/cwire"
)

type vector struct {
	good    bool
	packet  []byte
	meaning string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []vector
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		part := strings.SplitN(s.Text(), " ", 3)
		packet, err := hex.DecodeString(strings.TrimPrefix(part[1], "-"))
		if err != nil || len(part) != 3 || part[0] != "good" && part[0] != "bad" {
			t.Fatalf("vector %q: %v", s.Text(), err)
		}
		all = append(all, vector{part[0] == "good", packet, part[2]})
	}
	if len(all) < 60 {
		t.Fatalf("only %d vectors", len(all))
	}
	return all
}

func TestGoAndCReadTheSameVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.meaning, func(t *testing.T) {
			m, err := wire.Parse(v.packet)
			c := cwire.Rewrite(v.packet)
			if !v.good {
				if !errors.Is(err, wire.ErrMalformed) {
					t.Errorf("Go: %v, want ErrMalformed", err)
				}
				if c != nil {
					t.Errorf("C read %x", c)
				}
				return
			}
			if err != nil {
				t.Fatalf("Go: %v", err)
			}
			if b, err := m.Marshal(); err != nil || !bytes.Equal(b, v.packet) {
				t.Errorf("Go wrote %x, %v", b, err)
			}
			if !bytes.Equal(c, v.packet) {
				t.Errorf("C wrote %x", c)
			}
		})
	}
}

func TestEveryTypeHasAGoodVector(t *testing.T) {
	seen := map[wire.Type]bool{}
	for _, v := range vectors(t) {
		if v.good {
			seen[wire.Type(v.packet[1])] = true
		}
	}
	for b := range 256 {
		if _, ok := wire.SchemaOf(wire.Type(b)); ok && !seen[wire.Type(b)] {
			t.Errorf("type %#02x has none", b)
		}
	}
}

// Every set of up to two fields of every type: the two tables of rules are one.
func TestGoAndCHaveTheSameSchemas(t *testing.T) {
	for typ := range 256 {
		for a := -1; a < 66; a++ {
			for b := -1; b < 66; b++ {
				packet := []byte{wire.Version, byte(typ), 0, 0}
				for _, tag := range []int{a, b} {
					if tag >= 0 {
						packet = append(packet, byte(tag), 0, 4, 0, 'a', 'b', 'c', 'd')
					}
				}
				_, err := wire.Parse(packet)
				if c := cwire.Rewrite(packet) != nil; c != (err == nil) {
					t.Fatalf("%x: C accepts: %v, Go: %v", packet, c, err)
				}
			}
		}
		if _, ok := wire.SchemaOf(wire.Type(typ)); !ok {
			continue
		}
		checkMust(t, wire.Type(typ))
	}
}

// checkMust leaves each field out in turn, of a message that has all it may.
func checkMust(t *testing.T, typ wire.Type) {
	t.Helper()
	s, _ := wire.SchemaOf(typ)
	all := append(append(append([]wire.Tag{}, s.Must...), s.May...), s.Repeated...)
	for skip := -1; skip < len(all); skip++ {
		packet := []byte{wire.Version, byte(typ), 0, 0}
		for i, tag := range all {
			if i != skip {
				packet = append(packet, byte(tag), 0, 4, 0, 'a', 'b', 'c', 'd')
			}
		}
		_, err := wire.Parse(packet)
		if c := cwire.Rewrite(packet) != nil; c != (err == nil) {
			t.Errorf("%x: C accepts: %v, Go: %v", packet, c, err)
		}
		if (err != nil) != (skip >= 0 && skip < len(s.Must)) {
			t.Errorf("type %#02x without field %d of %v: %v", uint8(typ), skip, all, err)
		}
	}
}

// Promise 4.
func TestGoAndCRefuseTheSameIDs(t *testing.T) {
	edges := []uint32{
		0, 1, 999, 1000, 60000, 60001, 61184, 65519, 65534, 65535, 65536, 524288, 1879048191, 1879048192,
		2147352575, 2147352576, 2147418111, 2147418112, 4294967293, 4294967294, 4294967295,
	}
	for _, e := range edges {
		for id := e - 2; id != e+3; id++ {
			if c, err := cwire.IDOK(id), identity.CheckID(id); c != (err == nil) {
				t.Errorf("%d: C accepts: %v, Go: %v", id, c, err)
			}
		}
	}
}

func TestAPacketHasAtMost64KiB(t *testing.T) {
	for _, n := range []int{wire.MaxField - 8, wire.MaxField, wire.MaxField + 1, wire.MaxPacket} {
		m := wire.New(wire.Answer).Add(wire.Secret, bytes.Repeat([]byte("a"), n))
		b, err := m.Marshal()
		if fits := n <= wire.MaxField; fits != (err == nil) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err == nil && !bytes.Equal(cwire.Rewrite(b), b) {
			t.Errorf("%d bytes: C disagrees", n)
		}
	}
}

func TestCFindsALocalNameHoweverTheFileArrives(t *testing.T) {
	passwd := "root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000:alice:/home/bob:/bin/sh\n\n:x:1::\nlast:x"
	for name, want := range map[string]bool{
		"root": true, "local": true, "last": true, "alice": false, "bob": false, "loca": false, "locale": false,
		"x": false, "oot": false, "carol": false, "Root": false,
	} {
		for step := 1; step <= len(passwd); step++ {
			if got := cwire.LocalIn(name, passwd, step); got != want {
				t.Errorf("%q in pieces of %d: %v", name, step, got)
			}
		}
	}
}

// Promise 8.
func TestWipeClearsSecretsAndNothingElse(t *testing.T) {
	m := wire.New(wire.Verdict).AddNumbers(wire.Code, 1).AddString(wire.Secret, "hunter2").AddString(wire.Environment, "A=1")
	m.Wipe()
	if got := m.Bytes(wire.Secret); !bytes.Equal(got, make([]byte, 7)) {
		t.Errorf("the secret is still %q", got)
	}
	if m.String(wire.Environment) != "A=1" || m.Number(wire.Code) != 1 {
		t.Error("something else was wiped")
	}
}

// FuzzParse: no packet makes a reader misbehave, Go and C agree on every one, and
// what is accepted is written again to the same bytes.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := wire.Parse(packet)
		c := cwire.Rewrite(packet)
		if (err == nil) != (c != nil) {
			t.Fatalf("C accepts: %v, Go: %v", c != nil, err)
		}
		if err != nil {
			return
		}
		if b, err := m.Marshal(); err != nil || !bytes.Equal(b, packet) || !bytes.Equal(c, packet) {
			t.Fatalf("Go wrote %x (%v), C wrote %x", b, err, c)
		}
	})
}
