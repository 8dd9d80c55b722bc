package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/go-tpm/tpm2"
)

// The file seal.tpm: the magic, then fields of two bytes' length and that many
// bytes, numbers big endian, then the SHA-256 of all that. The check finds a
// damaged disk; against a forger there is the TPM's own, over each key.
const (
	tpmMagic = "sallyport seal.tpm 1\n"
	maxField = 1024
	minBlob  = int64(len(tpmMagic) + sha256.Size)
	maxBlob  = 16 << 10
)

// object is what a TPM gives out of a key: the private half under its parent's key.
type object struct{ public, private []byte }

// blob is what seal.tpm holds.
type blob struct {
	parent  []byte // the name of the storage key, by which the TPM is known again
	hmac    object
	opening object
	former  object // the key file's key, sealed; empty if there was none
	moved   int64  // when, Unix seconds; 0 if there was no key file
}

func (b *blob) fields() []*[]byte {
	return []*[]byte{
		&b.parent, &b.hmac.public, &b.hmac.private, &b.opening.public, &b.opening.private,
		&b.former.public, &b.former.private,
	}
}

func (b *blob) encode() ([]byte, error) {
	out := []byte(tpmMagic)
	for _, f := range b.fields() {
		if len(*f) > maxField {
			return nil, fmt.Errorf("%w: the TPM gave %d bytes where %d are enough", ErrTPM, len(*f), maxField)
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(*f))), *f...) //nolint:gosec // checked above
	}
	out = binary.BigEndian.AppendUint64(out, uint64(b.moved)) //nolint:gosec // same bits back
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

var errDamaged = errors.New("it is damaged")

func parseBlob(text []byte) (*blob, error) {
	if int64(len(text)) < minBlob || len(text) > maxBlob || !bytes.HasPrefix(text, []byte(tpmMagic)) {
		return nil, errors.New("it is not one")
	}
	body, sum := text[:len(text)-sha256.Size], text[len(text)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, errDamaged
	}
	b := new(blob)
	rest := body[len(tpmMagic):]
	for _, f := range b.fields() {
		if len(rest) < 2 {
			return nil, errDamaged
		}
		n := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; n > maxField || n > len(rest) {
			return nil, errDamaged
		}
		*f, rest = bytes.Clone(rest[:n]), rest[n:]
	}
	if len(rest) != 8 {
		return nil, errDamaged
	}
	at := binary.BigEndian.Uint64(rest)
	if at > math.MaxInt64 {
		return nil, errDamaged
	}
	b.moved = int64(at)
	return b, b.check()
}

// check sees that all is there that a sealer needs.
func (b *blob) check() error {
	for _, o := range []object{b.hmac, b.opening} {
		if len(o.public) == 0 || len(o.private) == 0 {
			return errDamaged
		}
	}
	former := len(b.former.public) > 0
	if len(b.parent) == 0 || former != (len(b.former.private) > 0) || former != (b.moved > 0) {
		return errDamaged
	}
	return nil
}

// when the keys of the file before were moved; zero if there were none.
func (b *blob) when() time.Time {
	if b.moved == 0 {
		return time.Time{}
	}
	return time.Unix(b.moved, 0)
}

// point reads the public half of the key that opens.
func (b *blob) point() (*ecdh.PublicKey, error) {
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](b.opening.public)
	if err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	params, err := public.Parameters.ECCDetail()
	if err != nil || params.CurveID != tpm2.TPMECCNistP256 {
		return nil, errors.New("its public key is not of P-256")
	}
	p, err := public.Unique.ECC()
	if err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	return pointOf(p)
}

// pointOf brings a point of a TPM, which may leave out leading zeros, to our form.
func pointOf(p *tpm2.TPMSECCPoint) (*ecdh.PublicKey, error) {
	out := make([]byte, PublicLen)
	out[0] = 4 // uncompressed, SEC 1
	if !place(out[1:33], p.X.Buffer) || !place(out[33:], p.Y.Buffer) {
		return nil, errors.New("a coordinate is longer than P-256 has")
	}
	k, err := ecdh.P256().NewPublicKey(out)
	if err != nil {
		return nil, fmt.Errorf("its point: %w", err)
	}
	return k, nil
}

// place writes a number to the right end of a field of zeros.
func place(to, number []byte) bool {
	if len(number) > len(to) {
		return false
	}
	copy(to[len(to)-len(number):], number)
	return true
}
