package daemon

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Prompts of a password change.
const (
	oldPrompt    = "Current password: "
	newPrompt    = "New password: "
	repeatPrompt = "Retype new password: "
)

// newTries is how often a new password is asked for.
const newTries = 3

func unchanged(detail, mend string) checks.Ruling {
	return checks.Ruling{Code: identity.PasswordUnchanged, Tell: true, Detail: detail, Mend: mend}
}

// changePassword asks for the old password in the first round (the verdict hands
// it on, the host program gives it back as OldPass) and for the new one in the
// second. Only the server changes a password.
func (s *login) changePassword(ctx context.Context) identity.Verdict {
	if r := s.preChecks(ctx); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	changer := s.d.o.Provider.PasswordChanger
	if changer == nil {
		return s.end(ctx, unchanged("This server does not let a machine change passwords.", "Change it on the server."))
	}
	if s.Prelim {
		return s.prelim(ctx)
	}
	if s.OldPass.Len() == 0 {
		return identity.Verdict{Code: identity.PasswordMismatch}
	}
	// A new password that will not do is asked for anew: a login that waits for it would
	// be lost otherwise, and with it the place at a greeter.
	for range newTries - 1 {
		if v := s.changeOnce(ctx, changer, true); v.Code != identity.PasswordUnchanged || !s.retype {
			return v
		}
	}
	return s.changeOnce(ctx, changer, false)
}

// changeOnce asks for a new password, and has the server change it. It sets retype where
// another one may be accepted, and says so where there is another try.
func (s *login) changeOnce(ctx context.Context, changer provider.PasswordChanger, more bool) identity.Verdict {
	s.retype = false
	fresh, v := s.newPassword(ctx, more)
	if v.Code != identity.Granted {
		return v
	}
	// The code last: it is good for a minute, and a new password takes its time.
	defer s.forgetCode()
	if s.holdsCode() && !s.codeProved() {
		var err error
		if s.code, err = s.conv.Ask(ctx, identity.AskText, codePrompt); err != nil {
			return identity.Verdict{Code: identity.ConversationFailed}
		}
	}
	return s.change(ctx, changer, fresh, more)
}

func (s *login) holdsCode() bool {
	_, held := s.q.Entry.Epoch(identity.TOTP)
	return held
}

// codeProved tells whether this process was let in by a password that is due and a
// one-time code a moment ago: the server takes that one for the change. If it does not,
// one is asked for after all.
func (s *login) codeProved() bool {
	return s.Peer.UID == 0 && s.isDue() && slices.Contains(s.letInWith(), identity.TOTP)
}

func (s *login) prelim(ctx context.Context) identity.Verdict {
	if !s.d.reachable(ctx, s.q.Entry.Account().Name) {
		return s.end(ctx, offlineChange())
	}
	if s.OldPass.Len() > 0 {
		return identity.Verdict{Code: identity.Granted, Password: s.OldPass}
	}
	old, err := s.conv.Ask(ctx, identity.AskSecret, oldPrompt)
	if err != nil {
		return identity.Verdict{Code: identity.ConversationFailed}
	}
	if old.Len() == 0 {
		return identity.Verdict{Code: identity.PasswordMismatch}
	}
	return identity.Verdict{Code: identity.Granted, Password: old}
}

// reachable asks the server something harmless unless it is known to be there, so
// that nobody types three passwords in vain.
func (d *Gate) reachable(ctx context.Context, name identity.Name) bool {
	if d.Link().JustFailed() {
		return false
	}
	if d.Link().Now() == resolver.Online {
		return true
	}
	err := d.FetchName(ctx, name)
	return err == nil || errors.Is(err, provider.ErrNotFound)
}

func offlineChange() checks.Ruling {
	return unchanged("The password cannot be changed without the server.", "Connect to the network and try again.")
}

func elsewhere() checks.Ruling {
	return unchanged("A new password takes more proof than can be asked for here.", "Ask your administrator.")
}

// newPassword asks twice, unless an earlier module asked already.
func (s *login) newPassword(ctx context.Context, more bool) (identity.Secret, identity.Verdict) {
	if s.FirstPass.Len() > 0 {
		return s.FirstPass, identity.Verdict{Code: identity.Granted}
	}
	if s.OnlyFirstPass {
		return identity.Secret{}, identity.Verdict{Code: identity.PasswordUnchanged}
	}
	var typed [2]identity.Secret
	for i, prompt := range []string{newPrompt, repeatPrompt} {
		var err error
		if typed[i], err = s.conv.Ask(ctx, identity.AskSecret, prompt); err != nil {
			return identity.Secret{}, identity.Verdict{Code: identity.ConversationFailed}
		}
		if typed[0].Len() == 0 { // whoever gives up types nothing
			return identity.Secret{}, s.end(ctx, unchanged("No new password was given.", "Nothing was changed."))
		}
	}
	if !bytes.Equal(typed[0].Reveal(), typed[1].Reveal()) {
		return identity.Secret{}, s.anotherTry(ctx, "The two new passwords are not the same.", more)
	}
	return typed[0], identity.Verdict{Code: identity.Granted}
}

// weak is why the server refuses a new password.
func weak(err error) string {
	if w := provider.WeakError(""); errors.As(err, &w) {
		return identity.Printable(w.Error())
	}
	return "The server refuses the new password."
}

// anotherTry tells why a new password will not do, in two lines: a login screen has place
// for 60 letters in one. What an earlier module asked for is not asked for anew.
func (s *login) anotherTry(ctx context.Context, why string, more bool) identity.Verdict {
	if err := s.conv.Tell(ctx, identity.TellError, why); err != nil {
		return identity.Verdict{Code: identity.ConversationFailed}
	}
	if s.retype = more && s.FirstPass.Len() == 0; s.retype {
		return identity.Verdict{Code: identity.PasswordUnchanged}
	}
	return s.end(ctx, unchanged("Nothing was changed. Choose another password.", ""))
}

func (s *login) change(ctx context.Context, changer provider.PasswordChanger, fresh identity.Secret, more bool) identity.Verdict {
	d, e := s.d, s.q.Entry
	if s.Peer.UID != 0 {
		if r := d.tries.ReserveAlone(ctx, e.Account().UUID, lockout.Locker, s.Origin()); r.Code != identity.Granted {
			return s.end(ctx, r)
		}
	}
	// Copies, for the reason that step gives.
	was, is := identity.NewSecret(bytes.Clone(s.OldPass.Reveal())), identity.NewSecret(bytes.Clone(fresh.Reveal()))
	code := identity.NewSecret(bytes.Clone(s.code.Reveal()))
	r, err := resolver.WithProviderTimeout(ctx, d.p.ServerTimeout, func(ctx context.Context) (provider.Record, error) {
		defer was.Wipe()
		defer is.Wipe()
		defer code.Wipe()
		return changer.ChangePassword(ctx, e.Account().Name, s.Origin(), was, code, is)
	})
	switch {
	case errors.Is(err, provider.ErrWeak):
		return s.anotherTry(ctx, weak(err), more)
	case errors.Is(err, provider.ErrElsewhere) && s.code.Len() == 0 && s.holdsCode() && s.codeProved():
		if s.code, err = s.conv.Ask(ctx, identity.AskText, codePrompt); err != nil {
			return identity.Verdict{Code: identity.ConversationFailed}
		}
		if s.code.Len() == 0 {
			return s.end(ctx, elsewhere())
		}
		return s.change(ctx, changer, fresh, more)
	case errors.Is(err, provider.ErrElsewhere):
		return s.end(ctx, elsewhere())
	case errors.Is(err, provider.ErrDenied):
		return identity.Verdict{Code: identity.PasswordMismatch}
	case err == nil && (r.Token == nil || !e.IsOf(r.Token)):
		err = provider.ErrOffline
		fallthrough
	case err != nil:
		d.Note(resolver.Failed, err)
		return s.end(ctx, unchanged("The server gave no answer. Your password may have changed.",
			"Try to log in with the new one, then with the old."))
	}
	d.Note(resolver.Answered, nil)
	before, _ := e.Epoch(identity.Password)
	// The new token's epoch ends the old verifier, in one transaction.
	_ = d.Apply(d.Life(), resolver.Update{Records: []provider.Record{r}}) // logged there
	if now := d.Directory().WithUUID(e.Account().UUID); now != nil && now.State() == identity.Active {
		d.succeeded(ctx, now, s.Origin(), fresh)
		if after, ok := now.Epoch(identity.Password); ok && s.Peer.UID == 0 {
			d.proofs.Sessions.Renew(e.Account().UUID, s.Process, before, after)
		}
	}
	return identity.Verdict{Code: identity.Granted, Password: fresh}
}
