package identity

import (
	"fmt"
	"log/slog"
)

// redacted is all that a [Secret] ever prints as.
const redacted = "[redacted]"

// Secret holds a password, a code or a key. It prints, logs and marshals as
// "[redacted]"; only [Secret.Reveal] gives the bytes, so that a reader can
// search for every place that does. The zero value is the empty secret, which
// no check accepts.
//
// A Secret is shared when copied: [Secret.Wipe] clears every copy.
type Secret struct{ b []byte }

// NewSecret takes ownership of b.
func NewSecret(b []byte) Secret { return Secret{b: b} }

// Reveal returns the bytes themselves, not a copy. Do not keep them.
func (s Secret) Reveal() []byte { return s.b }

// Len is the length in bytes.
func (s Secret) Len() int { return len(s.b) }

// Wipe overwrites the bytes. Go may have copied them before; this shortens the
// time that a secret lies in memory, it does not promise that none is left.
func (s Secret) Wipe() { clear(s.b) }

// Format prints "[redacted]" for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue keeps the bytes out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the bytes out of JSON, TOML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalBinary keeps the bytes out of gob and CBOR.
func (s Secret) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }
