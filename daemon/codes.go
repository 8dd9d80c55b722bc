package daemon

import (
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// mayBeOneLine tells whether the server should read the answer both ways.
func (s *login) mayBeOneLine(offers []identity.FactorKind) bool {
	_, held := s.q.Entry.Epoch(identity.TOTP)
	_, _, ok := identity.SplitCode(s.secret)
	return held && ok && slices.Contains(offers, identity.PasswordAndTOTP)
}

// takeApart leaves the password in s.secret, which is handed on, and the code
// behind it in s.code.
func (s *login) takeApart() {
	if front, code, ok := identity.SplitCode(s.secret); ok {
		s.secret, s.code = front, code
	}
}

// forgetCode wipes what was typed beside the password.
func (s *login) forgetCode() {
	s.code.Wipe()
	s.backup.Wipe()
	s.code, s.backup = identity.Secret{}, identity.Secret{}
	s.card.forget()
	s.card = atReader{}
}
