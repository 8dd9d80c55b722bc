package identity

import "fmt"

// MaxPasswordMessages is the longest encoding of [PasswordMessages], in bytes.
const MaxPasswordMessages = 4 << 10

// PasswordMessages are messages of OPAQUE about what somebody typed, in CBOR with the integer
// keys below. A line that ends in six digits may be a password, or a password and a one-time
// code, see [SplitCode]: there are messages about both readings then, and it is one guess.
type PasswordMessages struct {
	// Whole is about the whole line; with PasswordProof it is absent where Front proves.
	Whole []byte `cbor:"1,keyasint,omitempty"`
	// Front is about what stands before the code; absent where there is no such reading.
	Front []byte `cbor:"2,keyasint,omitempty"`
	// Code is, with PasswordProof and Front alone, the one-time code.
	Code []byte `cbor:"3,keyasint,omitempty"`
}

// Encode is the messages as an answer to a step.
func (m *PasswordMessages) Encode() (Secret, error) {
	b, err := encode(m)
	if err != nil {
		return Secret{}, fmt.Errorf("messages of OPAQUE: %w", err)
	}
	return NewSecret(b), nil
}

// ParsePasswordMessages reads what Encode wrote.
func ParsePasswordMessages(b []byte) (m PasswordMessages, err error) {
	if len(b) > MaxPasswordMessages {
		return m, fmt.Errorf("messages of OPAQUE of %d bytes, at most %d", len(b), MaxPasswordMessages)
	}
	if err := decode(b, &m); err != nil {
		return m, fmt.Errorf("messages of OPAQUE: %w", err)
	}
	return m, nil
}
