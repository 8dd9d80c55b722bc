package vcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// The slots.
const (
	Authentication = 0x9a
	Signature      = 0x9c
	KeyManagement  = 0x9d
	CardAuth       = 0x9e
	attestation    = 0xf9
	management     = 0x9b
)

// The algorithms, as SP 800-78-4 and Yubico number them.
const (
	TripleDES = 0x03
	RSA2048   = 0x07
	AES128    = 0x08
	AES192    = 0x0a
	AES256    = 0x0c
	P256      = 0x11
	P384      = 0x14
	Ed25519   = 0xe0
)

// Policies of a key.
const (
	PINNever, TouchNever   = 1, 1
	PINOnce, TouchAlways   = 2, 2
	PINAlways, TouchCached = 3, 3
)

// What every new card has.
const (
	DefaultPIN = "123456"
	DefaultPUK = "12345678"
)

// DefaultManagementKey is the one that cards leave the factory with.
func DefaultManagementKey() []byte {
	return []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}
}

// Key is a key in a slot.
type Key struct {
	Algorithm  byte
	Signer     crypto.Signer
	PIN, Touch byte
	Imported   bool
}

// Card is one card. Its zero value is none: see [New].
type Card struct {
	mu      sync.Mutex
	keys    map[byte]*Key
	objects map[string][]byte
	pin     counter
	puk     counter

	managementAlg  byte
	managementKey  []byte
	serial         uint32
	version        [3]byte
	plain, foreign bool
	silent         bool
	ca             *x509.Certificate
	touch          func() bool
	fault          func(ins byte) Fault
	commands       []byte

	// What SELECT and reset forget.
	selected, verified, managed bool
	witness                     []byte
	chain, rest                 []byte
}

type counter struct {
	value      [8]byte
	total, now int
}

// Fault is what a card does instead of an answer.
type Fault int

// The faults.
const (
	None    Fault = iota
	Pull          // it is taken out, without an answer
	Hang          // no answer, until it is taken out
	Garbage       // an answer that is none
	Short         // one byte where more is due, and the word for success
)

// New is a card as from the factory: no keys, PIN and PUK as everybody knows them.
func New() *Card {
	c := &Card{
		keys: map[byte]*Key{}, objects: map[string][]byte{},
		pin: counter{pad(DefaultPIN), 3, 3}, puk: counter{pad(DefaultPUK), 3, 3},
		managementAlg: AES192, managementKey: DefaultManagementKey(), serial: 10203040, version: [3]byte{5, 7, 1},
	}
	must(c.attestBy())
	return c
}

func must(err error) {
	if err != nil {
		panic(err) // a card cannot be made: no randomness
	}
}

func pad(pin string) (b [8]byte) {
	for i := range b {
		b[i] = 0xff
	}
	copy(b[:], pin)
	return b
}

// attestBy gives the card its attestation key, certified by a maker of its own.
func (c *Card) attestBy() error {
	maker, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	from := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Virtual PIV Root"}, NotBefore: from, NotAfter: from.AddDate(40, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, maker.Public(), maker)
	if err != nil {
		return err
	}
	if c.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	card := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Virtual PIV Attestation"}, NotBefore: from, NotAfter: from.AddDate(40, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if der, err = x509.CreateCertificate(rand.Reader, card, c.ca, own.Public(), maker); err != nil {
		return err
	}
	c.keys[attestation] = &Key{Algorithm: P256, Signer: own, PIN: PINNever, Touch: TouchNever, Imported: true}
	c.objects[object(attestation)] = certificateObject(der)
	return nil
}

// Maker is the certificate that the card's attestation ends at.
func (c *Card) Maker() *x509.Certificate { return c.ca }

// Plain makes it a card without any of Yubico's extensions.
func (c *Card) Plain() { c.locked(func() { c.plain = true }) }

// TellKeys sets whether it tells of its keys (metadata); those before version 5.3 do not.
func (c *Card) TellKeys(tells bool) { c.locked(func() { c.silent = !tells }) }

// OnTouch sets what decides, when a key wants a touch, whether one came; it may
// wait. Without it each touch comes at once.
func (c *Card) OnTouch(f func() bool) { c.locked(func() { c.touch = f }) }

// OnCommand sets what decides of each command whether the card fails at it.
func (c *Card) OnCommand(f func(ins byte) Fault) { c.locked(func() { c.fault = f }) }

// Commands lists the instructions that came so far.
func (c *Card) Commands() (list []byte) {
	c.locked(func() { list = append(list, c.commands...) })
	return list
}

// Retries is how many wrong PINs it still bears.
func (c *Card) Retries() (n int) {
	c.locked(func() { n = c.pin.now })
	return n
}

// Block uses up the tries of the PIN.
func (c *Card) Block() { c.locked(func() { c.pin.now = 0 }) }

// SetPIN changes the PIN, and sets the counter back.
func (c *Card) SetPIN(pin string) {
	c.locked(func() { c.pin = counter{pad(pin), c.pin.total, c.pin.total} })
}

// SetManagementKey replaces the management key.
func (c *Card) SetManagementKey(algorithm byte, key []byte) {
	c.locked(func() { c.managementAlg, c.managementKey = algorithm, key })
}

func (c *Card) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Put makes a key in a slot, with a certificate that it signs itself, and returns
// that certificate.
func (c *Card) Put(slot byte, key Key, name string, from, until time.Time) (*x509.Certificate, error) {
	var err error
	if key.Signer == nil {
		if key.Signer, err = generate(key.Algorithm); err != nil {
			return nil, err
		}
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Signer.Public(), key.Signer)
	if err != nil {
		return nil, err
	}
	c.locked(func() { c.keys[slot], c.objects[object(slot)] = &key, certificateObject(der) })
	return x509.ParseCertificate(der)
}

// PutCertificate replaces a slot's certificate object, by anything.
func (c *Card) PutCertificate(slot byte, der []byte) {
	c.locked(func() { c.objects[object(slot)] = certificateObject(der) })
}

// Certificate is a slot's, nil if it has none.
func (c *Card) Certificate(slot byte) (der []byte) {
	c.locked(func() {
		inner, ok := find(c.objects[object(slot)], 0x53)
		if !ok {
			return
		}
		der, _ = find(inner, 0x70)
	})
	return der
}

func generate(algorithm byte) (crypto.Signer, error) {
	switch algorithm {
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case Ed25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	default:
		return nil, errUnsupported
	}
}

var errUnsupported = errors.New("no such algorithm")

// object is the name of a slot's certificate object.
func object(slot byte) string {
	switch slot {
	case Authentication:
		return "\x5f\xc1\x05"
	case Signature:
		return "\x5f\xc1\x0a"
	case KeyManagement:
		return "\x5f\xc1\x0b"
	case CardAuth:
		return "\x5f\xc1\x01"
	case attestation:
		return "\x5f\xff\x01"
	default:
		return fmt.Sprintf("no object of slot %x", slot)
	}
}

func certificateObject(der []byte) []byte {
	return tlv(0x53, tlv(0x70, der), tlv(0x71, []byte{0}), tlv(0xfe))
}

// Foreign makes it a card without the PIV application.
func (c *Card) Foreign() { c.locked(func() { c.foreign = true }) }

// Verified tells whether it takes the PIN for given.
func (c *Card) Verified() (yes bool) {
	c.locked(func() { yes = c.verified })
	return yes
}
