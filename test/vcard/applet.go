package vcard

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
)

type status uint16

// Status words of ISO 7816-4.
const (
	ok            status = 0x9000
	wrongLength   status = 0x6700
	notSatisfied  status = 0x6982
	blocked       status = 0x6983
	wrongData     status = 0x6a80
	unsupported   status = 0x6a81
	notFound      status = 0x6a82
	wrongP1P2     status = 0x6a86
	noReference   status = 0x6a88
	noInstruction status = 0x6d00
)

type command struct {
	ins, p1, p2 byte
	data        []byte
}

// power forgets what a reset forgets.
func (c *Card) power() {
	c.locked(func() {
		c.selected = false
		c.forget()
		c.chain, c.rest = nil, nil
	})
}

func (c *Card) forget() { c.verified, c.managed, c.witness = false, false, nil }

// answer is the response to one APDU, in the parts that T=1 cards without
// extended length give.
func (c *Card) answer(apdu []byte) ([]byte, Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(apdu) < 4 {
		return word(wrongLength), None
	}
	if c.fault != nil {
		switch f := c.fault(apdu[1]); f {
		case None:
		case Short:
			return append([]byte{1}, word(ok)...), None
		default:
			return []byte{0x12}, f
		}
	}
	if apdu[1] == 0xc0 {
		return c.part(), None
	}
	data, well := body(apdu)
	if !well {
		return word(wrongLength), None
	}
	c.rest = nil
	c.chain = append(c.chain, data...)
	if apdu[0]&0x10 != 0 {
		return word(ok), None
	}
	cmd := command{apdu[1], apdu[2], apdu[3], c.chain}
	c.chain = nil
	c.commands = append(c.commands, cmd.ins)
	out, sw := c.run(cmd)
	if sw != ok {
		return word(sw), None
	}
	c.rest = out
	return c.part(), None
}

func (c *Card) part() []byte {
	n := min(len(c.rest), 256)
	out := bytes.Clone(c.rest[:n])
	c.rest = c.rest[n:]
	if left := len(c.rest); left > 0 {
		if left > 255 {
			left = 0 // 256 or more: who is told 255 takes no more than that
		}
		return append(out, 0x61, byte(left))
	}
	return append(out, word(ok)...)
}

func word(s status) []byte { return binary.BigEndian.AppendUint16(nil, uint16(s)) }

// body is the command's data, of short or extended length.
func body(apdu []byte) ([]byte, bool) {
	b := apdu[4:]
	switch {
	case len(b) <= 1:
		return nil, true
	case b[0] == 0 && len(b) >= 3:
		n := int(b[1])<<8 | int(b[2])
		if len(b) == 3 {
			return nil, true // Le alone
		}
		return sized(b[3:], n)
	default:
		return sized(b[1:], int(b[0]))
	}
}

func sized(b []byte, n int) ([]byte, bool) {
	if len(b) < n || len(b) > n+2 {
		return nil, false
	}
	return b[:n], true
}

func (c *Card) run(cmd command) ([]byte, status) {
	if cmd.ins == 0xa4 {
		return c.choose(cmd)
	}
	if !c.selected {
		return nil, noInstruction
	}
	if c.plain && cmd.ins >= 0xf0 || c.silent && cmd.ins == 0xf7 {
		return nil, noInstruction
	}
	switch cmd.ins {
	case 0x20:
		return nil, c.verify(cmd)
	case 0x24, 0x2c:
		return nil, c.changeReference(cmd)
	case 0x87:
		if cmd.p2 == management {
			return c.manage(cmd)
		}
		return c.authenticate(cmd)
	case 0x47:
		return c.generate(cmd)
	case 0xcb:
		return c.get(cmd)
	case 0xdb:
		return nil, c.put(cmd)
	case 0xf7:
		return c.metadata(cmd)
	case 0xf8:
		return binary.BigEndian.AppendUint32(nil, c.serial), ok
	case 0xf9:
		return c.attest(cmd)
	case 0xfd:
		return c.version[:], ok
	case 0xff:
		return nil, c.newManagementKey(cmd)
	default:
		return nil, noInstruction
	}
}

func (c *Card) choose(cmd command) ([]byte, status) {
	aid := []byte{0xa0, 0, 0, 3, 8}
	if c.foreign || cmd.p1 != 4 || !bytes.HasPrefix(cmd.data, aid) {
		c.selected = false
		c.forget()
		return nil, notFound
	}
	c.selected = true
	c.forget()
	return tlv(0x61, tlv(0x4f, []byte{0, 0, 0x10, 0, 1, 0}), tlv(0x79, tlv(0x4f, aid))), ok
}

func (c *Card) verify(cmd command) status {
	if cmd.p2 != 0x80 {
		return noReference
	}
	if cmd.p1 == 0xff {
		c.verified = false
		return ok
	}
	if len(cmd.data) == 0 {
		if c.verified {
			return ok
		}
		return c.pin.left()
	}
	if len(cmd.data) != 8 {
		return wrongData
	}
	s := c.pin.try(cmd.data)
	c.verified = s == ok
	return s
}

func (k *counter) left() status {
	if k.now == 0 {
		return blocked
	}
	return 0x63c0 | status(min(k.now, 15))
}

func (k *counter) try(value []byte) status {
	if k.now == 0 {
		return blocked
	}
	if !bytes.Equal(value, k.value[:]) {
		k.now--
		return k.left()
	}
	k.now = k.total
	return ok
}

// changeReference is CHANGE REFERENCE DATA (24) and RESET RETRY COUNTER (2C).
func (c *Card) changeReference(cmd command) status {
	if len(cmd.data) != 16 {
		return wrongData
	}
	proof, target := &c.pin, &c.pin
	switch {
	case cmd.ins == 0x24 && cmd.p2 == 0x80:
	case cmd.ins == 0x24 && cmd.p2 == 0x81:
		proof, target = &c.puk, &c.puk
	case cmd.ins == 0x2c && cmd.p2 == 0x80:
		proof = &c.puk
	default:
		return noReference
	}
	if s := proof.try(cmd.data[:8]); s != ok {
		return s
	}
	copy(target.value[:], cmd.data[8:])
	target.now = target.total
	return ok
}

func (c *Card) get(cmd command) ([]byte, status) {
	name, well := find(cmd.data, 0x5c)
	if cmd.p1 != 0x3f || cmd.p2 != 0xff || !well {
		return nil, wrongP1P2
	}
	if b, found := c.objects[string(name)]; found && len(b) > 2 {
		return b, ok
	}
	return nil, notFound
}

func (c *Card) put(cmd command) status {
	if !c.managed {
		return notSatisfied
	}
	name, well := find(cmd.data, 0x5c)
	if cmd.p1 != 0x3f || cmd.p2 != 0xff || !well || len(cmd.data) < 2+len(name) {
		return wrongP1P2
	}
	c.objects[string(name)] = bytes.Clone(cmd.data[2+len(name):])
	return ok
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}
