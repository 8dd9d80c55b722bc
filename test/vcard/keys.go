package vcard

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// authenticate is GENERAL AUTHENTICATE with a key of a slot: a signature, or an agreement.
func (c *Card) authenticate(cmd command) ([]byte, status) {
	key := c.keys[cmd.p2]
	if key == nil || cmd.p2 == attestation {
		return nil, noReference
	}
	if key.Algorithm != cmd.p1 {
		return nil, wrongP1P2
	}
	template, well := find(cmd.data, 0x7c)
	if !well {
		return nil, wrongData
	}
	text, well := find(template, 0x81)
	point, agrees := find(template, 0x85)
	if well == agrees || agrees && cmd.p2 != KeyManagement {
		return nil, wrongData
	}
	if key.PIN != PINNever && !c.verified {
		return nil, notSatisfied
	}
	if key.PIN == PINAlways {
		c.verified = false
	}
	if key.Touch != TouchNever && c.touch != nil && !c.touch() {
		return nil, notSatisfied
	}
	use, given := key.sign, text
	if agrees {
		use, given = key.agree, point
	}
	out, s := use(given)
	if s != ok {
		return nil, s
	}
	return tlv(0x7c, tlv(0x82, out)), ok
}

// agree is ECDH (SP 800-73-4 part 2, A.5.3): the shared x coordinate.
func (k *Key) agree(point []byte) ([]byte, status) {
	signer, has := k.Signer.(*ecdsa.PrivateKey)
	if !has {
		return nil, wrongData
	}
	own, err := signer.ECDH()
	if err != nil {
		return nil, wrongData
	}
	other, err := own.Curve().NewPublicKey(point)
	if err != nil {
		return nil, wrongData
	}
	shared, err := own.ECDH(other)
	if err != nil {
		return nil, wrongData
	}
	return shared, ok
}

func (k *Key) sign(text []byte) ([]byte, status) {
	var signature []byte
	var err error
	switch signer := k.Signer.(type) {
	case *rsa.PrivateKey: // raw: the host has done the padding
		if len(text) != signer.Size() {
			return nil, wrongData
		}
		m := new(big.Int).SetBytes(text)
		if m.Cmp(signer.N) >= 0 {
			return nil, wrongData
		}
		signature = m.Exp(m, signer.D, signer.N).FillBytes(make([]byte, signer.Size()))
	case *ecdsa.PrivateKey:
		signature, err = ecdsa.SignASN1(rand.Reader, signer, text)
	case ed25519.PrivateKey:
		signature, err = signer.Sign(nil, text, crypto.Hash(0))
	default:
		return nil, unsupported
	}
	if err != nil {
		return nil, wrongData
	}
	return signature, ok
}

func (c *Card) generate(cmd command) ([]byte, status) {
	if !c.managed {
		return nil, notSatisfied
	}
	template, well := find(cmd.data, 0xac)
	if !well || object(cmd.p2)[0] != 0x5f {
		return nil, wrongData
	}
	algorithm, _ := find(template, 0x80)
	if len(algorithm) != 1 {
		return nil, wrongData
	}
	signer, err := generate(algorithm[0])
	if err != nil {
		return nil, wrongData
	}
	key := &Key{Algorithm: algorithm[0], Signer: signer, PIN: PINOnce, Touch: TouchNever}
	if p, _ := find(template, 0xaa); len(p) == 1 {
		key.PIN = p[0]
	}
	if p, _ := find(template, 0xab); len(p) == 1 {
		key.Touch = p[0]
	}
	c.keys[cmd.p2] = key
	return append([]byte{0x7f}, tlv(0x49, key.public())...), ok
}

func (k *Key) public() []byte {
	switch p := k.Signer.Public().(type) {
	case *rsa.PublicKey:
		return append(tlv(0x81, p.N.Bytes()), tlv(0x82, big.NewInt(int64(p.E)).Bytes())...)
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		must(err)
		return tlv(0x86, point)
	case ed25519.PublicKey:
		return tlv(0x86, p)
	default:
		return nil
	}
}

func (c *Card) metadata(cmd command) ([]byte, status) {
	switch cmd.p2 {
	case management:
		return join(tlv(1, []byte{c.managementAlg}), tlv(2, []byte{0, 1}), tlv(5, flag(bytes.Equal(c.managementKey, DefaultManagementKey())))), ok
	case 0x80:
		return join(tlv(1, []byte{0xff}), tlv(5, flag(c.pin.value == pad(DefaultPIN))), tlv(6, []byte{byte(c.pin.total), byte(c.pin.now)})), ok
	case 0x81:
		return join(tlv(1, []byte{0xff}), tlv(5, flag(c.puk.value == pad(DefaultPUK))), tlv(6, []byte{byte(c.puk.total), byte(c.puk.now)})), ok
	}
	key := c.keys[cmd.p2]
	if key == nil {
		return nil, noReference
	}
	origin := byte(1)
	if key.Imported {
		origin = 2
	}
	return join(tlv(1, []byte{key.Algorithm}), tlv(2, []byte{key.PIN, key.Touch}), tlv(3, []byte{origin}), tlv(4, key.public())), ok
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func flag(on bool) []byte {
	if on {
		return []byte{1}
	}
	return []byte{0}
}

// attest is a certificate about a key that was made in the card, by the card.
func (c *Card) attest(cmd command) ([]byte, status) {
	key, own := c.keys[cmd.p1], c.keys[attestation]
	if key == nil || key.Imported || own == nil {
		return nil, wrongData
	}
	inner, _ := find(c.objects[object(attestation)], 0x53)
	der, _ := find(inner, 0x70)
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, wrongData
	}
	serial, err := asn1.Marshal(int(c.serial))
	must(err)
	yubico := func(n int, value []byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, n}, Value: value}
	}
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(16)), Subject: pkix.Name{CommonName: "Virtual PIV Attestation 9a"},
		NotBefore: issuer.NotBefore, NotAfter: time.Date(2052, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtraExtensions: []pkix.Extension{
			yubico(3, c.version[:]), yubico(7, serial), yubico(8, []byte{key.PIN, key.Touch}), yubico(9, []byte{1}),
		},
	}
	out, err := x509.CreateCertificate(rand.Reader, t, issuer, key.Signer.Public(), own.Signer)
	must(err)
	return out, ok
}

// manage is both rounds of the mutual authentication with the management key, and
// the one-sided one that some programs use: the card's challenge, encrypted.
func (c *Card) manage(cmd command) ([]byte, status) {
	block, err := c.block()
	must(err)
	n := block.BlockSize()
	template, well := find(cmd.data, 0x7c)
	if cmd.p1 != c.managementAlg && (cmd.p1 != 0 || c.managementAlg != TripleDES) || !well {
		return nil, wrongP1P2
	}
	if w, has := find(template, 0x80); has && len(w) == 0 {
		c.managed, c.witness = false, random(n)
		hidden := make([]byte, n)
		block.Encrypt(hidden, c.witness)
		return tlv(0x7c, tlv(0x80, hidden)), ok
	}
	if w, has := find(template, 0x81); has && len(w) == 0 {
		c.managed, c.witness = false, random(n)
		return tlv(0x7c, tlv(0x81, c.witness)), ok
	}
	witness := c.witness
	c.witness = nil
	if len(witness) == 0 {
		return nil, notSatisfied
	}
	if r, has := find(template, 0x82); has && len(r) == n {
		block.Encrypt(witness, witness)
		if !bytes.Equal(r, witness) {
			return nil, notSatisfied
		}
		c.managed = true
		return nil, ok
	}
	known, _ := find(template, 0x80)
	challenge, _ := find(template, 0x81)
	if len(challenge) != n || !bytes.Equal(known, witness) {
		return nil, notSatisfied
	}
	c.managed = true
	out := make([]byte, n)
	block.Encrypt(out, challenge)
	return tlv(0x7c, tlv(0x82, out)), ok
}

func (c *Card) block() (cipher.Block, error) {
	if c.managementAlg == TripleDES {
		return des.NewTripleDESCipher(c.managementKey)
	}
	return aes.NewCipher(c.managementKey)
}

func (c *Card) newManagementKey(cmd command) status {
	if !c.managed {
		return notSatisfied
	}
	if len(cmd.data) < 3 || len(cmd.data) != 3+int(cmd.data[2]) {
		return wrongData
	}
	c.managementAlg, c.managementKey = cmd.data[0], bytes.Clone(cmd.data[3:])
	return ok
}
