package serviceauth

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// Token is what a caller proves with: the token that a device of theirs was given. It prints
// and marshals without its secret; [Token.Bearer] has it.
type Token struct {
	Person
	Secret identity.Secret
}

// Person is who calls, and from which device. The zero value is nobody.
type Person struct {
	// User is the name of the account in the realm. It may change; who once had it may be
	// somebody else today.
	User string
	// Device is what the person calls the device. It is their word.
	Device string
}

// ErrToken says that a text is no token in the form of [Token.Bearer].
var ErrToken = errors.New("not a token of the identity service")

// maxBearer bounds what is read of a header, in bytes.
const maxBearer = 2048

// NewToken is a token as the identity service gave it.
func NewToken(user, device string, secret []byte) Token {
	return Token{Person: Person{User: user, Device: device}, Secret: identity.NewSecret(secret)}
}

// Bearer is what follows "Authorization: Bearer ": user, device and token in base64url without
// padding, with dots between.
func (t Token) Bearer() string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(t.User)) + "." + e([]byte(t.Device)) + "." + e(t.Secret.Reveal())
}

// ParseBearer reads it.
func ParseBearer(text string) (Token, error) {
	parts := strings.Split(text, ".")
	if len(text) > maxBearer || len(parts) != 3 {
		return Token{}, ErrToken
	}
	var read [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil || len(b) == 0 {
			return Token{}, ErrToken
		}
		read[i] = b
	}
	return NewToken(string(read[0]), string(read[1]), read[2]), nil
}
