// Package seal binds secrets to this machine: what it computes can be computed
// here and nowhere else. The resolver runs every offline verifier through it, so
// that a copied database cannot be searched for passwords, and what a server
// seals to this machine is opened by it.
//
// A [Sealer] gives an HMAC and opens what was sealed, under keys that never leave
// it: a [TPM]'s, which a copied disk lacks, or a [File]'s, which protects against a
// stolen database and not against a stolen disk with the file on it. [Open] takes
// one, by what the configuration says and what lies in the state folder:
//
//	seal.key  seal.tpm  "file"       "auto"                          "tpm"
//	none      none      make a file  make TPM keys; no TPM: a file   make TPM keys, or fail
//	there     none      the file     the file; status says how to    move to the TPM, or fail
//	                                 move
//	none      there     fail         the TPM; while it does not      the TPM, or fail
//	                                 answer: nothing
//	there     there     fail         the same; if seal.key is what   the same
//	                                 a move left: destroy it
//
// A machine that its TPM sealed never falls back to a file by itself. Moving makes
// new keys in the TPM. The file's key is sealed into the TPM, so that what was made
// with it still counts, and is made anew as people log in ([Verify], [MadeBefore]);
// then the file is overwritten and removed.
//
// The package promises that seal.key and seal.tpm are whole or absent after a crash
// at any instant, that one which others could have read or written is refused, and
// that a TPM that is gone, busy, cleared or another gives errors, each its own. It
// binds nothing to the software that was started (PCRs), guards no key by a password
// and does not notice who else may use the TPM of a running machine.
package seal

import (
	"context"
	"errors"
)

// Sealer computes what only this machine can. It is safe for concurrent use.
type Sealer interface {
	// Kind names the means, for status: "file" or "tpm".
	Kind() string
	// HMAC returns the HMAC-SHA-256 (RFC 2104) of data under the machine's key.
	// More than [MaxData] bytes are an error.
	HMAC(ctx context.Context, data []byte) ([]byte, error)
	// Public returns the point that secrets for this machine are sealed to: P-256,
	// uncompressed, [PublicLen] bytes.
	Public(ctx context.Context) ([]byte, error)
	// Open decrypts what was sealed to Public, with the info it was sealed for:
	// HPKE (RFC 9180), base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
	// AES-256-GCM. What is not for this machine, not for that purpose or damaged is
	// [ErrSealed]; any other error says nothing of the secret.
	Open(ctx context.Context, info, sealed []byte) ([]byte, error)
}

// PublicLen is the length of [Sealer.Public], in bytes.
const PublicLen = 65

// MaxData is how much [Sealer.HMAC] takes, in bytes: what every TPM takes at a time.
const MaxData = 1024

// Errors that a caller decides on.
var (
	// ErrSealed says that something sealed is not for this machine, not for this
	// purpose, or damaged.
	ErrSealed = errors.New("sealed secret refused")
	// ErrTooLong says that HMAC was given more than [MaxData].
	ErrTooLong = errors.New("too much to seal")
	// ErrKeyFile says that a key file is not one, or that others may read or change
	// it. The text says which, and what to do.
	ErrKeyFile = errors.New("seal key file refused")
)

// The kinds of sealers.
const (
	KindFile = "file"
	KindTPM  = "tpm"
)
