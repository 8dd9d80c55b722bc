package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

func point(t testing.TB, k *ecdh.PublicKey) []byte {
	t.Helper()
	raw := k.Bytes()
	public := openingTemplate()
	public.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
		X: tpm2.TPM2BECCParameter{Buffer: bytes.TrimLeft(raw[1:33], "\x00")},
		Y: tpm2.TPM2BECCParameter{Buffer: bytes.TrimLeft(raw[33:], "\x00")},
	})
	return tpm2.Marshal(public)
}

func sample(t testing.TB) *blob {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &blob{
		parent:  bytes.Repeat([]byte{1}, 34),
		hmac:    object{[]byte("public"), []byte("private")},
		opening: object{point(t, k.PublicKey()), []byte("private")},
		former:  object{[]byte("public"), []byte("private")},
		moved:   1_700_000_000,
	}
}

func encoded(t testing.TB, b *blob) []byte {
	t.Helper()
	text, err := b.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestASealFileIsReadAsItWasWritten(t *testing.T) {
	for _, moved := range []bool{false, true} {
		b := sample(t)
		if !moved {
			b.former, b.moved = object{[]byte{}, []byte{}}, 0
		}
		got, err := parseBlob(encoded(t, b))
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// Promise seal-files.
func TestASealFileWithABitTurnedOrAByteMissingIsRefused(t *testing.T) {
	text := encoded(t, sample(t))
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 0x10
		if b, err := parseBlob(changed); err == nil {
			t.Errorf("byte %d: %+v", i, b)
		}
		if b, err := parseBlob(text[:i]); err == nil {
			t.Errorf("%d bytes: %+v", i, b)
		}
	}
	if _, err := parseBlob(append(bytes.Clone(text), 0)); err == nil {
		t.Error("one byte more")
	}
}

func TestASealFileThatLacksAnythingIsRefused(t *testing.T) {
	for sentence, f := range map[string]func(b *blob){
		"no parent":              func(b *blob) { b.parent = nil },
		"no HMAC key":            func(b *blob) { b.hmac.public = nil },
		"half an HMAC key":       func(b *blob) { b.hmac.private = nil },
		"no opening key":         func(b *blob) { b.opening = object{} },
		"half a key of before":   func(b *blob) { b.former.private = nil },
		"moved, and no such key": func(b *blob) { b.former = object{} },
		"such a key, not moved":  func(b *blob) { b.moved = 0 },
		"moved before all time":  func(b *blob) { b.moved = -1 },
	} {
		b := sample(t)
		f(b)
		if _, err := parseBlob(encoded(t, b)); err == nil {
			t.Error(sentence)
		}
	}
	b := sample(t)
	b.hmac.private = make([]byte, maxField+1)
	if _, err := b.encode(); !errors.Is(err, ErrTPM) {
		t.Errorf("a field that is too long: %v", err)
	}
}

// Promise seal-files.
func TestASealFileThatCannotBeTrustedIsRefused(t *testing.T) {
	text := encoded(t, sample(t))
	bad := sample(t)
	bad.opening.public = []byte("not a public area")
	for sentence, write := range map[string]func(path string) error{
		"others may read it":     func(p string) error { return errors.Join(os.WriteFile(p, text, 0o600), os.Chmod(p, 0o604)) },
		"it belongs to another":  func(p string) error { return errors.Join(os.WriteFile(p, text, 0o600), os.Chown(p, 12345, 12345)) },
		"it is a symbolic link":  func(p string) error { return errors.Join(os.WriteFile(p+"1", text, 0o600), os.Symlink(p+"1", p)) },
		"it is empty":            func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"it is too long":         func(p string) error { return os.WriteFile(p, make([]byte, maxBlob+1), 0o600) },
		"it is damaged":          func(p string) error { return os.WriteFile(p, text[:len(text)-1], 0o600) },
		"its public key is none": func(p string) error { return os.WriteFile(p, encoded(t, bad), 0o600) },
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seal.tpm")
			if err := write(path); err != nil {
				t.Fatal(err)
			}
			if _, err := readTPM("/nowhere", path); !errors.Is(err, ErrTPMFile) {
				t.Fatalf("%v, want ErrTPMFile", err)
			}
		})
	}
}

// A TPM may leave out the zeros that a number begins with: one point in 128 has one.
func TestAPointWithLeadingZerosIsThePoint(t *testing.T) {
	for found := 0; found < 2; {
		k, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw := k.PublicKey().Bytes()
		if raw[1] != 0 && raw[33] != 0 {
			continue
		}
		found++
		b := blob{opening: object{public: point(t, k.PublicKey())}}
		if got, err := b.point(); err != nil || !bytes.Equal(got.Bytes(), raw) {
			t.Fatalf("%x: %v, %v", raw, got, err)
		}
	}
	if place(make([]byte, 32), make([]byte, 33)) {
		t.Error("a number that is too long was taken")
	}
}

func FuzzASealFileIsWholeOrRefused(f *testing.F) {
	text := encoded(f, sample(f))
	f.Add(text[:len(text)-sha256.Size])
	f.Add([]byte(tpmMagic))
	f.Add([]byte(tpmMagic + "\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		b, err := parseBlob(append(bytes.Clone(body), sum[:]...)) // a damaged one ends at the check
		if err != nil {
			return
		}
		if again := encoded(t, b); !bytes.Equal(again[:len(again)-sha256.Size], body) {
			t.Fatal("read and written again it is another")
		}
		_, _ = b.point() // no panic
	})
}

// A file whose sum is right is not sound for that.
func TestEachPartOfASealFileIsLookedAtByItself(t *testing.T) {
	whole := encoded(t, sample(t))
	body := whole[:len(whole)-sha256.Size]
	first := len(tpmMagic) // where the length of the first field is
	for what, change := range map[string]func(b []byte) []byte{
		"another kind of file":       func(b []byte) []byte { b[0]++; return b },
		"a field beyond the end":     func(b []byte) []byte { b[first], b[first+1] = 3, 255; return b },
		"a field longer than may be": func(b []byte) []byte { return append(append(b[:first], 4, 1), make([]byte, 4<<10)...) },
		"more behind it":             func(b []byte) []byte { return append(b, 0) },
		"less at its end":            func(b []byte) []byte { return b[:len(b)-1] },
		"a time beyond all times":    func(b []byte) []byte { b[len(b)-8] |= 0x80; return b },
		"a file beyond all sizes":    func(b []byte) []byte { return append(b, make([]byte, maxBlob)...) },
		"nothing":                    func([]byte) []byte { return nil },
	} {
		changed := change(bytes.Clone(body))
		sum := sha256.Sum256(changed)
		if b, err := parseBlob(append(changed, sum[:]...)); err == nil {
			t.Errorf("%s: %+v", what, b)
		}
	}
	sum := sha256.Sum256(body)
	if _, err := parseBlob(append(bytes.Clone(body), sum[:]...)); err != nil {
		t.Error(err)
	}
}
