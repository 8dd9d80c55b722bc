package identity

import (
	"errors"
	"time"
)

// Why a card cannot be enrolled as it was ordered; a [CardError] wraps them.
var (
	// ErrCardTaken says that the slot holds a certificate already.
	ErrCardTaken = errors.New("the card holds a certificate already")
	// ErrManagementKey says that the card's management key is another.
	ErrManagementKey = errors.New("the card's management key is another")
	// ErrOthersCard says that the card's certificate is another account's.
	ErrOthersCard = errors.New("the card is another account's")
	// ErrManyCards says that more than one card is there, and none was chosen.
	ErrManyCards = errors.New("more than one card is in the readers")
)

// What keeps the key in a card's slot for key management (9D) from agreeing on secrets; a
// [CardError] wraps them.
var (
	// ErrNoAgreementKey says that there is none.
	ErrNoAgreementKey = errors.New("the card has no key in slot 9D")
	// ErrAgreementKind says that it is of another kind than P-256.
	ErrAgreementKind = errors.New("the card's key in slot 9D is not of P-256")
	// ErrAgreementOther says that it is another key than the one that is asked for.
	ErrAgreementOther = errors.New("the card's key in slot 9D is another")
	// ErrAgreementTaken says that the slot has a certificate, and no key of its own.
	ErrAgreementTaken = errors.New("the card has a certificate in slot 9D, and no key")
	// ErrAgreementUnknown says that the card does not tell whether there is one.
	ErrAgreementUnknown = errors.New("the card does not tell what is in slot 9D")
)

// CardKey is a kind of key that a card can make.
type CardKey string

// The kinds, as people write them.
const (
	CardRSA2048 CardKey = "rsa2048"
	CardP256    CardKey = "p256"
	CardP384    CardKey = "p384"
	CardEd25519 CardKey = "ed25519"
)

// CardOrder says what to do with a card that is to be enrolled. The zero value
// takes the certificate that it has, of the only card that is there.
type CardOrder struct {
	// Reader names the reader; "": there must be one card.
	Reader string
	// Generate makes a new key, and a certificate for it that it signs itself.
	Generate bool
	// Force lets it take the place of a certificate that is there.
	Force bool
	Key   CardKey
	// Touch makes the key want to be touched at each use.
	Touch bool
	// Subject is the common name, and Valid how long the certificate is valid.
	Subject string
	Valid   time.Duration
	// ManagementKey is the card's (16, 24 or 32 bytes); empty: the one it came with,
	// or the one that it keeps for who knows the PIN.
	ManagementKey Secret
	// Others tells whether a certificate, by its fingerprint, is another account's: its
	// card is told no PIN. nil: none is.
	Others func(fingerprint []byte) bool
	// Proved is as in [CardSeen].
	Proved string
}

// CardMade is a card that was made ready to be enrolled.
type CardMade struct {
	Seen CardSeen
	// Certificate (DER) is what to enrol; Attestation as in [CardProof].
	Certificate []byte
	Attestation [][]byte
	// FactoryKey: the management key is the one that everybody knows.
	FactoryKey bool
}

// CardAgreement is the key of P-256 in a card's slot 9D.
type CardAgreement struct {
	// Public is its public half, uncompressed (SEC 1, 2.3.3).
	Public []byte
	// Made: it was made just now. FactoryKey is as in [CardMade].
	Made, FactoryKey bool
}

// CardReader is a reader, and the card in it if there is one that can be used.
type CardReader struct {
	Name string
	// Err is why there is none: an [*CardError]; nil: there is one.
	Err error
	// Retries is how many wrong PINs the card still bears; -1: it does not say.
	Retries int
	// Certificates (DER) are those of the slots that a login may use, in their order.
	Certificates [][]byte
	// Agreement is the public half of the key in slot 9D (see [CardAgreement]); nil: none of P-256.
	Agreement []byte
}
