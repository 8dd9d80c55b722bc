package daemon

import (
	"context"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
)

// From another host a name cannot be tried out. Whoever has not proved anything there is
// asked for a password and refused, as pam_unix(8) does with a name that nobody has: the
// same prompt, no reason, the same code, the same time. The reason is told to whoever
// gave the right password. At the machine itself the reason is told to everyone: people
// need it, and names can be listed there.
//
//	origin              proved   prompt before the refusal   reason told   code
//	another host        nothing  "Password: ", at least one  no            Denied
//	another host        the      as ever                     yes           the ruling's
//	                    password
//	here, or where      any      as ever                     yes           the ruling's
//	remote_reasons
//	is set
//	here, in GDM        nothing  "Press Enter to try again",  yes           the ruling's
//	                             if there was none
//
// Who is not ours, unknown, or cannot be judged is left to the next module, which asks.

const (
	// unixDelay is what pam_unix(8) asks pam_fail_delay(3) for.
	unixDelay = 2 * time.Second
	// GNOME's lock screen begins anew by itself after a refusal, for ever where nothing was asked.
	gdm, againPrompt = "gdm-password", "Press Enter to try again: "
)

// hushed is the conversation with somebody at another host.
type hushed struct {
	identity.Conversation
	s *login
}

// Ask implements identity.Conversation.
func (h *hushed) Ask(ctx context.Context, style identity.Style, text string) (identity.Secret, error) {
	a, err := h.Conversation.Ask(ctx, style, text)
	h.s.prompted, h.s.answered = true, h.s.d.o.Now()
	return a, err //nolint:wrapcheck // the conversation's own
}

// Tell implements identity.Conversation.
func (h *hushed) Tell(ctx context.Context, style identity.Style, text string) error {
	switch {
	case h.s.hush && !h.s.proven:
		h.s.unsaid = text
		return nil
	case style == identity.TellInfo && h.s.Peer.UID != 0: // a locker, and some wait for OK at each line
		return nil
	}
	return h.Conversation.Tell(ctx, style, checks.Lines(text)) //nolint:wrapcheck // the same
}

// hide makes a refusal of somebody at another host look like that of an unknown name.
func (s *login) hide(ctx context.Context, v identity.Verdict) identity.Verdict {
	switch v.Code {
	case identity.Denied, identity.NotPermitted, identity.TooManyTries, identity.AccountExpired:
	default:
		return v
	}
	if s.hush && s.proven || !s.hush && (s.Service != gdm || s.Operation != identity.OpAuthenticate) {
		return v
	}
	if !s.prompted && !s.OnlyFirstPass {
		typed, err := s.conv.Ask(ctx, identity.AskSecret, map[bool]string{true: identity.PasswordPrompt, false: againPrompt}[s.hush])
		if err != nil {
			return identity.Verdict{Code: identity.ConversationFailed}
		}
		defer typed.Wipe()
		if s.hush {
			s.secret = typed
		}
		if s.hush && s.unsaid != "" && s.ownsPassword(ctx) {
			s.proven = true
			if err := s.conv.Tell(ctx, identity.TellError, s.unsaid); err != nil {
				return identity.Verdict{Code: identity.ConversationFailed}
			}
			return v
		}
	}
	if !s.hush {
		return v
	}
	return identity.Verdict{Code: identity.Denied}
}

// ownsPassword tells whether the password is right by what is remembered here. It is an
// attempt like any other, counted and locked.
func (s *login) ownsPassword(ctx context.Context) bool {
	d := s.d
	if s.q.Entry == nil {
		return false
	}
	id := s.q.Entry.Account().UUID
	unlock, err := d.tries.Lock(ctx, id)
	if err != nil {
		return false
	}
	defer unlock()
	v, r := d.verifiers.Of(ctx, s.q.Entry)
	if r.Code != identity.Granted || d.tries.Reserve(ctx, id, lockout.Password, s.Origin()).Code != identity.Granted {
		return false
	}
	right, err := s.rightPassword(ctx, v)
	if err == nil && right {
		d.tries.TakeBack(ctx, id, lockout.Password, s.Origin())
	}
	return err == nil && right
}

// delay is how long the host is to wait with a refusal: so long that the whole takes the
// same whatever was looked at, from when the last answer was given.
func (s *login) delay(c identity.Code) uint32 {
	switch c {
	case identity.Denied, identity.UnknownUser, identity.NotPermitted, identity.TooManyTries, identity.PasswordMismatch:
	default:
		return 0
	}
	wait := s.d.p.FailDelay
	if s.Origin().Remote() {
		wait = max(wait, unixDelay)
	}
	if !s.answered.IsZero() {
		wait -= s.d.o.Now().Sub(s.answered)
	}
	return uint32(min(max(wait, 0).Microseconds(), 1<<31)) //nolint:gosec // bounded
}
