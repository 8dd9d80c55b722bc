package wire_test

import (
	"encoding/binary"
	"testing"

	"github.com/sallyport-auth/sallyport/wire"
	"github.com/sallyport-auth/sallyport/wire/cwire"
)

// Every cut of a good packet, and every length in it made longer than what is
// there: C refuses as Go does, and cwire ends the program if C reads on.
func TestCReadsNothingBehindThePacket(t *testing.T) {
	for _, m := range []*wire.Message{
		wire.New(wire.Begin).AddNumbers(wire.Operation, 1).AddNumbers(wire.Flags, 0).AddString(wire.Service, "login").AddString(wire.Name, "ada"),
		wire.New(wire.Groups).AddNumbers(wire.GIDs, 1, 2, 3),
		wire.New(wire.Verdict).AddNumbers(wire.Code, 1).AddString(wire.Environment, "A=b").AddString(wire.Environment, "C=d"),
		wire.New(wire.SSHKey).AddString(wire.KeyLine, "ssh-ed25519 AAAA"),
	} {
		good, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		same := func(packet []byte) {
			t.Helper()
			_, err := wire.Parse(packet)
			if c := cwire.RewriteAtEdge(packet) != nil; c != (err == nil) {
				t.Errorf("%x: C accepts: %v, Go: %v", packet, c, err)
			}
		}
		for cut := range len(good) + 1 {
			same(append([]byte(nil), good[:cut]...))
		}
		for at := 4; at+4 <= len(good); {
			n := int(binary.LittleEndian.Uint16(good[at+2:]))
			for _, lie := range []int{n + 1, n + 4, len(good), 4096, 65535} {
				packet := append([]byte(nil), good...)
				binary.LittleEndian.PutUint16(packet[at+2:], uint16(lie))
				same(packet)
			}
			at += 4 + n
		}
	}
}
