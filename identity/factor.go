package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// FactorKind names something that a person can prove.
type FactorKind string

// The kinds of factor that exist.
const (
	Password FactorKind = "password"
	TOTP     FactorKind = "totp"
	// PIV is a smartcard of NIST SP 800-73, used with its PIN.
	PIV FactorKind = "piv"
	// BackupCode is one of a list of codes, each good once, and only at the server.
	// It stands in for a one-time code.
	BackupCode FactorKind = "backup-code"
)

// Ways to answer a step that are no factor of their own.
const (
	// PasswordAndTOTP is one line: the password, and the code right behind it.
	PasswordAndTOTP FactorKind = "password+totp"
	// NewTOTP is a code of a secret that was made just now, and NewPIV a [CardProof]
	// by a card that is not the account's yet.
	NewTOTP FactorKind = "new-totp"
	NewPIV  FactorKind = "new-piv"
	// PasswordByOPAQUE is the first message of an OPAQUE login (RFC 9807) in the place of a
	// password, and PasswordProof the last: the server compares no password. NewPassword and
	// NewPasswordRecord are the two messages of a registration. Each is a [PasswordMessages].
	PasswordByOPAQUE  FactorKind = "password-by-opaque"
	PasswordProof     FactorKind = "password-proof"
	NewPassword       FactorKind = "new-password"
	NewPasswordRecord FactorKind = "new-password-record"
)

// ParseFactorKind accepts a kind that can be demanded of a session.
func ParseFactorKind(word string) (FactorKind, error) {
	if k := FactorKind(word); slices.Contains(demandable(), k) {
		return k, nil
	}
	return "", fmt.Errorf("%q is no factor; this version knows \"password\", \"totp\" and \"piv\"", word)
}

func demandable() []FactorKind { return []FactorKind{Password, TOTP, PIV} }

// Factor is the public half of one credential that an account holds. It carries
// no secret: for a password or a TOTP secret it says only that there is one.
type Factor struct {
	Kind FactorKind `cbor:"1,keyasint"`
	// Epoch changes whenever the credential does. What a machine derived from an
	// older epoch is dead.
	Epoch uint64 `cbor:"2,keyasint"`
	// Label is the person's own name for it, for prompts. It may be empty.
	Label string `cbor:"3,keyasint,omitempty"`
	// Certificate (X.509, DER) is the card's, for PIV alone.
	Certificate []byte `cbor:"4,keyasint,omitempty"`
	// ChangeBy is, for a password alone, from when on a login by it asks for a new
	// one, in Unix seconds. 0: never. [ChangeNow]: at the next login.
	ChangeBy int64 `cbor:"5,keyasint,omitempty"`
}

// ChangeNow is a [Factor.ChangeBy] that has passed: the administrator asked for it.
const ChangeNow = 1

// Due tells whether the password has to be changed.
func (f *Factor) Due(now time.Time) bool {
	return f.Kind == Password && f.ChangeBy != 0 && now.Unix() >= f.ChangeBy
}

// Kinds lists the kinds among factors, each once, in their order.
func Kinds(factors []Factor) []FactorKind {
	var list []FactorKind
	for _, f := range factors {
		if !slices.Contains(list, f.Kind) {
			list = append(list, f.Kind)
		}
	}
	return list
}

// MaxCertificate is the longest certificate of a card, in bytes.
const MaxCertificate = 8 << 10

func (f *Factor) validate() error {
	if err := CheckText(f.Label, MaxText); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	if (f.Kind == PIV) != (len(f.Certificate) > 0) {
		return errors.New("a card has a certificate, and nothing else has one")
	}
	if f.ChangeBy < 0 || f.ChangeBy > Never || f.ChangeBy != 0 && f.Kind != Password {
		return errors.New("a password has a day to change it by, and nothing else has one")
	}
	if len(f.Certificate) > MaxCertificate {
		return fmt.Errorf("certificate of %d bytes", len(f.Certificate))
	}
	return nil
}

// KindPoints is what one kind of factor counts.
type KindPoints struct {
	Kind   FactorKind `cbor:"1,keyasint"`
	Points uint16     `cbor:"2,keyasint"`
}

// Points is what each kind counts in a realm, a kind that is not listed nothing.
type Points []KindPoints

// DefaultPoints are those of a realm that never set its own.
func DefaultPoints() Points {
	return Points{{Password, 10}, {TOTP, 20}, {BackupCode, 20}, {PIV, 30}}
}

// Of is what a kind counts.
func (p Points) Of(kind FactorKind) uint16 {
	for _, k := range p {
		if k.Kind == kind {
			return k.Points
		}
	}
	return 0
}

// Sum is what these kinds come to, each counted once. A backup code stands in for a
// one-time code: of the two the one that counts more does.
func (p Points) Sum(kinds []FactorKind) (total int) {
	code := 0
	for _, k := range p {
		switch {
		case !slices.Contains(kinds, k.Kind):
		case k.Kind == TOTP || k.Kind == BackupCode:
			code = max(code, int(k.Points))
		default:
			total += int(k.Points)
		}
	}
	return total + code
}

func (p Points) validate() error {
	for i, k := range p {
		if k.Kind == "" || len(k.Kind) > MaxText {
			return errors.New("points of no kind")
		}
		if slices.ContainsFunc(p[:i], func(o KindPoints) bool { return o.Kind == k.Kind }) {
			return fmt.Errorf("points of %q twice", k.Kind)
		}
	}
	return nil
}
