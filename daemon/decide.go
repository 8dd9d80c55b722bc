package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
)

// Decide answers one question at the door. Whatever goes wrong on the way, a
// panic too, ends as identity.Unavailable or a denial.
func (d *Gate) Decide(ctx context.Context, l identity.Login, conv identity.Conversation) (v identity.Verdict) {
	s := &login{d: d, Login: l, q: checks.Question{Typed: l.User, Service: l.Service}}
	stranger := l.Origin().Remote() || d.trusts(&l)
	s.conv, s.hush = &hushed{conv, s}, l.Operation == identity.OpAuthenticate && stranger && !d.p.RemoteReasons
	defer func() {
		if r := recover(); r != nil {
			// Not the value: it may hold what the person typed.
			d.log.ErrorContext(ctx, "a decision broke off; nothing was granted", "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			v = identity.Verdict{}
		}
		if v.Code == identity.NotPermitted && l.Operation == identity.OpAuthenticate {
			// pam_authenticate(3) does not know PAM_PERM_DENIED, and sshd shows the
			// person what was told only with PAM_AUTH_ERR.
			v.Code = identity.Denied
		}
		if v.Code != identity.Granted {
			v = identity.Verdict{Code: v.Code, DelayMicros: s.delay(v.Code)}
		}
		d.log.InfoContext(ctx, "decided", s.logged(v.Code)...)
	}()
	switch l.Operation {
	case identity.OpAuthenticate, identity.OpAccount:
		phase := s.authenticate
		if l.Operation == identity.OpAccount {
			phase = s.account
		}
		if v = s.hide(ctx, phase(ctx)); v.Code == identity.Granted {
			s.rememberLogin()
		}
		return v
	case identity.OpOpenSession, identity.OpSetCredentials:
		s.q.Quiet = true
		return s.confirm(ctx)
	case identity.OpCloseSession:
		s.q.Quiet = true
		r := s.preChecks(ctx)
		if r.Code == identity.Granted {
			s.loggedOut()
			if s.Peer.UID == 0 {
				s.d.o.Book.Close(s.Process)
			}
		}
		return s.end(ctx, r)
	case identity.OpChangePassword:
		return s.changePassword(ctx)
	default:
		return identity.Verdict{}
	}
}

// login is one question with all that is needed to answer it.
type login struct {
	identity.Login
	d     *Gate
	conv  identity.Conversation
	q     checks.Question
	asked bool // a password was typed for us, not left by another module
	// What was given, kept until the attempt ends: the network may be lost meanwhile.
	secret identity.Secret
	code   identity.Secret // one-time
	retype bool            // another new password may be accepted
	backup identity.Secret // code
	usedUp identity.Secret // that a server which went away may have taken
	card   atReader        // with its PIN
	// oneLine tells that secret may be password and code, which the server knows.
	oneLine bool
	// skipped are the factors that the person passed over, in that order.
	skipped []identity.FactorKind
	// here tells what can be checked without the server; nil while it decides.
	local *offlineMethods
	// What the proof is, once there is one.
	proved  []identity.Factor
	away    bool  // checked here, not by the server
	expires int64 // of the server's session token
	// hush: nothing is told until something is proven; see remote.go. unsaid is the last
	// that was not told, answered when the person last gave an answer.
	hush, proven, prompted bool
	unsaid                 string
	answered               time.Time
}

// logged is what the log has of a decision. A name that no account has is left out: people
// type passwords where a name is asked for. The host comes last, where only what nobody can
// type follows "verdict", and is believed of those who may ask for others.
func (s *login) logged(c identity.Code) []any {
	account := "(unknown)"
	if s.q.Entry != nil {
		account = s.User
	}
	words := []any{"operation", s.Operation.String(), "service", s.Service, "account", account, "peer", s.Peer.UID, "verdict", c.String()}
	if s.RemoteHost != "" && (s.Peer.UID == 0 || s.d.trusts(&s.Login)) {
		words = append(words, "host", s.RemoteHost)
	}
	return words
}

// preChecks finds the account and judges who asks.
func (s *login) preChecks(ctx context.Context) checks.Ruling {
	r := s.d.checks.Run(ctx, checks.Pre(), &s.q, nil)
	if r.Code != identity.Granted {
		return r
	}
	return s.mayAsk()
}

// end turns a ruling into a verdict and tells the person what may be told.
func (s *login) end(ctx context.Context, r checks.Ruling) identity.Verdict {
	if r.Code == identity.Granted {
		return identity.Verdict{Code: identity.Granted}
	}
	if r.Tell {
		if err := s.conv.Tell(ctx, identity.TellError, r.Text()); err != nil {
			return identity.Verdict{Code: identity.ConversationFailed}
		}
	}
	return identity.Verdict{Code: r.Code}
}

// authenticate asks for the password first and for the server after: an exchange
// begun early would grow old while someone types.
func (s *login) authenticate(ctx context.Context) identity.Verdict {
	if r := s.preChecks(ctx); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	if r := s.d.checks.Run(ctx, checks.Vain(), &s.q, nil); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	if s.again(ctx, slices.Concat(checks.Fresh(), checks.Access())...) {
		return identity.Verdict{Code: identity.Granted}
	}
	return s.proving(ctx)
}

// account is the account phase: it runs after any authentication, ours or an ssh
// key's, so it asks the server when it is not sure to know the latest.
func (s *login) account(ctx context.Context) identity.Verdict {
	if r := s.preChecks(ctx); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	r := s.d.checks.Run(ctx, checks.Fresh(), &s.q, nil)
	if r.Code == identity.Granted {
		r = s.d.checks.Run(ctx, checks.Access(), &s.q, nil)
	}
	if r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	if v := s.stepUp(ctx); v.Code != identity.Granted {
		return v
	}
	return s.passwordDue(ctx)
}

// confirm is for phases after the account phase: nothing is fetched.
func (s *login) confirm(ctx context.Context) identity.Verdict {
	r := s.preChecks(ctx)
	if r.Code == identity.Granted {
		r = s.d.checks.Run(ctx, checks.Access(), &s.q, nil)
	}
	v := s.end(ctx, r)
	if v.Code == identity.Granted {
		v.Groups = s.gatedGroups()
		s.d.beginSession(ctx, s)
	}
	return v
}

// beginSession gives subordinate ids to whoever root's program begins a session for, and
// notes by which grant it goes. A session begins without them, too.
func (d *Gate) beginSession(ctx context.Context, s *login) {
	if s.Operation != identity.OpOpenSession || s.Peer.UID != 0 {
		return
	}
	s.byCertificate(ctx)
	if err := d.EnsureSubIDs(ctx, s.q.Entry.Account().UUID); err != nil {
		d.log.WarnContext(ctx, "no subordinate ids are given", "account", s.User, "error", err)
	}
}

// atReader tells whether the account sits at this machine's card reader.
func (s *login) atReader() bool { return s.d.reader.AtSeat(&s.Login, s.q.Entry.Account()) }
