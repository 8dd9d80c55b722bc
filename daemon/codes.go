package daemon

import (
	"context"
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
	s.usedUp.Wipe()
	s.code, s.backup, s.usedUp = identity.Secret{}, identity.Secret{}, identity.Secret{}
	s.card.forget()
	s.card = atReader{}
}

// spent forgets an answer that is good once, and that a server which is lost may have
// taken: the next server would call it wrong. It is false where it cannot be asked for again.
func (s *login) spent(ctx context.Context, kind identity.FactorKind) bool {
	typed := map[identity.FactorKind]*identity.Secret{identity.TOTP: &s.code, identity.BackupCode: &s.backup, identity.PasswordAndTOTP: &s.secret}[kind]
	if typed == nil {
		return true
	}
	s.usedUp, *typed = *typed, identity.Secret{}
	err := s.conv.Tell(ctx, identity.TellError, "The server went away, so your code may be used up. Type the next one.")
	return err == nil && (kind != identity.PasswordAndTOTP || !s.OnlyFirstPass)
}
