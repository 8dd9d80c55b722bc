package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of an authentication's result and of recording it.
const (
	sessionLife   = 8 * time.Hour
	recordTimeout = 10 * time.Second
)

// denial is what everyone is told whose proof was not accepted.
const denial = "Sign-in refused."

// engine runs stepped authentications. Its states are in the package comment.
type engine struct {
	*realm
	sessions *sessions
	turns    *turns
}

func newEngine(r *realm, timeout time.Duration) *engine {
	return &engine{realm: r, sessions: newSessions(timeout, sessionsPerMachine), turns: newTurns()}
}

// answer is where a step led to. The zero value is a denial.
type answer struct {
	allow  bool
	offers []identity.FactorKind // with a cookie: go on
	cookie string
	// With a denial.
	message string
	locked  bool
	reason  string // for the audit log only
	// With allow.
	session, id []byte
	sealed      []sealedFactor
	// With the offer of a new secret: its otpauth:// address.
	url string
}

// facts are what a step is judged by, read at one moment.
type facts struct {
	now      time.Time
	known    bool
	account  store.Account
	password store.Password
	totp     store.TOTP
	hasTOTP  bool
	failures store.Failures
}

func (f *facts) locked() bool { return f.now.Before(f.failures.LockedUntil) }

func (e *engine) facts(ctx context.Context, name identity.Name) (f facts, err error) {
	err = e.store.Read(ctx, func(tx *store.Tx) error {
		if f.now, err = tx.Seen(e.now()); err != nil {
			return err
		}
		if f.failures, err = tx.Failures(name); err != nil {
			return err
		}
		f.account, err = tx.AccountByName(name)
		if errors.Is(err, identity.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		f.known = true
		if f.password, err = tx.Password(f.account.UUID); err != nil && !errors.Is(err, identity.ErrNotFound) {
			return err
		}
		f.totp, err = tx.TOTP(f.account.UUID)
		f.hasTOTP = err == nil
		if errors.Is(err, identity.ErrNotFound) {
			return nil
		}
		return err
	})
	return f, err
}

// admit lets a session wait for its first step.
func (e *engine) admit(s *session) (answer, error) {
	s.next, s.begun = identity.Password, e.now()
	cookie, err := e.sessions.put(s, e.now())
	if err != nil {
		return answer{}, err
	}
	return answer{cookie: cookie, offers: []identity.FactorKind{identity.Password, identity.PasswordAndTOTP}}, nil
}

// record writes down how a session ended, and before it when it began: two rows
// for one wait for the disk. One that nobody goes on with is written down by
// abandoned.
func (e *engine) record(tx *store.Tx, m store.Machine, action string, s *session, reason string) error {
	if !s.begun.IsZero() {
		if err := tx.Record(entry(s.begun, m.Name, "auth.begin", s, "")); err != nil {
			return err
		}
	}
	return tx.Record(entry(e.now(), m.Name, action, s, reason))
}

// abandoned drops sessions whose time is over, and writes them down.
func (e *engine) abandoned(ctx context.Context) error {
	stale := e.sessions.purge(e.now())
	if len(stale) == 0 {
		return nil
	}
	return e.store.Write(ctx, func(tx *store.Tx) error {
		for _, s := range stale {
			m := store.Machine{UUID: s.machine, Name: s.machineName}
			if err := e.record(tx, m, "auth.abandon", s, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

func entry(at time.Time, machine identity.Name, action string, s *session, reason string) store.Entry {
	detail := fmt.Sprintf("service=%q remote_host=%q", s.service, s.remoteHost)
	if reason != "" {
		detail += fmt.Sprintf(" reason=%q", reason)
	}
	return store.Entry{Time: at, Actor: "machine " + string(machine), Action: action, Subject: string(s.name), Detail: detail}
}

// step moves a session on by one credential, or ends it.
func (e *engine) step(ctx context.Context, m store.Machine, cookie string, kind identity.FactorKind, credential identity.Secret) (answer, error) {
	s, ok := e.sessions.take(cookie, m.UUID, e.now())
	oneLine := ok && s.next == identity.Password && kind == identity.PasswordAndTOTP
	if !ok || kind != s.next && !oneLine {
		if s == nil {
			s = &session{}
		}
		return e.deny(ctx, m, s, answer{reason: "no such session, or not what was offered"})
	}
	done, err := e.turns.take(ctx, s.name)
	if err != nil {
		return answer{}, err
	}
	defer done()
	f, err := e.facts(ctx, s.name)
	if err != nil {
		return answer{}, err
	}
	switch {
	case oneLine:
		return e.stepOneLine(ctx, m, s, f, credential)
	case s.next == identity.TOTP:
		return e.stepTOTP(ctx, m, s, f, credential)
	case s.next == identity.NewTOTP:
		return e.confirmTOTP(ctx, m, s, credential)
	default:
		return e.stepPassword(ctx, m, s, f, credential)
	}
}

func (e *engine) stepPassword(ctx context.Context, m store.Machine, s *session, f facts, password identity.Secret) (answer, error) {
	ok, rehash, err := e.provePassword(ctx, f, password)
	if err != nil {
		return answer{}, err
	}
	switch {
	case f.locked():
		return e.deny(ctx, m, s, answer{locked: true, reason: "locked"})
	case !ok:
		return e.failed(ctx, m, s, "password")
	}
	return e.passwordProved(ctx, m, s, f, rehash)
}

func (e *engine) passwordProved(ctx context.Context, m store.Machine, s *session, f facts, rehash string) (answer, error) {
	if why := standing(f.account, e.now()); why != "" {
		return e.deny(ctx, m, s, answer{message: why, reason: why})
	}
	s.proved = append(s.proved, proof{identity.Password, f.account.UUID, f.password.Epoch})
	if f.hasTOTP {
		s.next = identity.TOTP
		cookie, err := e.sessions.put(s, e.now())
		return answer{cookie: cookie, offers: []identity.FactorKind{identity.TOTP}}, err
	}
	return e.proven(ctx, m, s, func(tx *store.Tx) error {
		if rehash == "" {
			return nil
		}
		return tx.Rehash(f.account.UUID, store.Password{PHC: rehash, Epoch: f.password.Epoch})
	})
}

// provePassword does the same work for everyone; while the name is locked its
// result is always no. rehash is set when a right password's hash is too weak.
func (e *engine) provePassword(ctx context.Context, f facts, password identity.Secret) (ok bool, rehash string, err error) {
	phc := f.password.PHC
	if f.locked() {
		phc = ""
	}
	if password.Len() > maxPassword {
		password = identity.Secret{} // never right, and no longer to hash
	}
	ok, weak, err := e.hasher.verify(ctx, phc, password)
	if err == nil && weak {
		rehash, err = e.hasher.hash(ctx, password)
	}
	return ok, rehash, err
}

// standing says, for someone who proved to be the account's owner, why it cannot
// be used; empty when it can.
func standing(a store.Account, now time.Time) string {
	t := identity.IDToken{State: a.State, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil}
	switch t.StandingAt(now) {
	case identity.Good:
		return ""
	case identity.NotYetValid:
		return "This account is not valid yet. Ask your administrator."
	case identity.Expired:
		return "This account has expired. Ask your administrator."
	default:
		return "This account is disabled. Ask your administrator."
	}
}

func (e *engine) stepTOTP(ctx context.Context, m store.Machine, s *session, f facts, code identity.Secret) (answer, error) {
	if f.locked() {
		return e.deny(ctx, m, s, answer{locked: true, reason: "locked"})
	}
	if !f.known || !f.hasTOTP {
		return e.failed(ctx, m, s, "totp taken away")
	}
	secret, err := e.box.open(f.account.UUID, f.totp.Sealed)
	if err != nil {
		return answer{}, err
	}
	defer secret.Wipe()
	step, ok, err := identity.TOTPStep(secret, code, e.now())
	if err != nil {
		return answer{}, err
	}
	if !ok || step <= max(f.totp.LastStep, s.usedStep) {
		return e.failed(ctx, m, s, "totp")
	}
	s.proved = append(s.proved, proof{identity.TOTP, f.account.UUID, f.totp.Epoch})
	return e.proven(ctx, m, s, func(tx *store.Tx) error {
		return tx.UseTOTPStep(f.account.UUID, f.totp.Epoch, step)
	})
}

// recording outlives the machine's patience: an attempt counts also when whoever
// made it hangs up before the answer.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
}

// deny ends a session without counting a failure.
func (e *engine) deny(ctx context.Context, m store.Machine, s *session, a answer) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	if a.message == "" {
		a.message = denial
	}
	return a, e.store.Write(ctx, func(tx *store.Tx) error {
		return e.record(tx, m, "auth.deny", s, a.reason)
	})
}

// failed ends a session with a wrong proof.
func (e *engine) failed(ctx context.Context, m store.Machine, s *session, reason string) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	a := answer{message: denial, reason: reason}
	return a, e.store.Write(ctx, func(tx *store.Tx) error {
		return errors.Join(e.countFailure(tx, s.name), e.record(tx, m, "auth.deny", s, reason))
	})
}

func (e *engine) countFailure(tx *store.Tx, name identity.Name) error {
	now, err := tx.Clock(e.now())
	if err != nil {
		return err
	}
	f, err := tx.Failures(name)
	if err != nil {
		return err
	}
	return tx.SetFailures(name, fail(f, now), now)
}

// allow ends a session well, if what was proved still holds as it is recorded.
func (e *engine) allow(ctx context.Context, m store.Machine, s *session, also func(*store.Tx) error) (answer, error) {
	rec, cancel := recording(ctx)
	defer cancel()
	a := answer{allow: true}
	err := e.store.Write(rec, func(tx *store.Tx) error {
		account, err := e.recheck(tx, s)
		if err != nil {
			return err
		}
		if err := also(tx); err != nil {
			return err
		}
		if _, err := tx.Clock(e.now()); err != nil {
			return err
		}
		if err := tx.ClearFailures(s.name); err != nil {
			return err
		}
		if a.id, err = e.idToken(tx, account); err != nil {
			return err
		}
		if a.session, err = e.sessionToken(tx, m, s, account); err != nil {
			return err
		}
		if a.sealed, err = e.sealFactors(tx, m, s, account); err != nil {
			return err
		}
		return e.record(tx, m, "auth.allow", s, "")
	})
	if errors.Is(err, store.ErrChanged) || errors.Is(err, identity.ErrNotFound) {
		return e.deny(ctx, m, s, answer{reason: "the account changed meanwhile"})
	}
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

// recheck is store.ErrChanged unless every proof is of a credential that the
// account holds now, nothing it holds is left unproved, and it may be used.
func (e *engine) recheck(tx *store.Tx, s *session) (store.Account, error) {
	account, err := tx.AccountByName(s.name)
	if err != nil {
		return store.Account{}, err
	}
	factors, err := tx.Factors(account.UUID)
	if err != nil {
		return store.Account{}, err
	}
	if standing(account, e.now()) != "" || len(factors) != len(s.proved) || len(factors) == 0 {
		return store.Account{}, store.ErrChanged
	}
	for _, held := range factors {
		if !slices.Contains(s.proved, proof{held.Kind, account.UUID, held.Epoch}) {
			return store.Account{}, store.ErrChanged
		}
	}
	return account, nil
}

// sessionToken says what was proved, and which groups that earned.
func (e *engine) sessionToken(tx *store.Tx, m store.Machine, s *session, a store.Account) ([]byte, error) {
	groups, err := tx.GroupsOf(a)
	if err != nil {
		return nil, err
	}
	now := e.now()
	t := &identity.SessionToken{
		Realm: e.Name, ID: uuid.New(), Account: a.UUID, Machine: m.UUID, Methods: s.methods(),
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(sessionLife).Unix(),
	}
	for _, g := range groups {
		if !slices.ContainsFunc(g.Demands, func(k identity.FactorKind) bool { return !slices.Contains(t.Methods, k) }) {
			t.Groups = append(t.Groups, g.UUID)
		}
	}
	signed, err := e.signing.Load().signer.SignSessionToken(t)
	if err != nil {
		return nil, fmt.Errorf("session token: %w", err)
	}
	return signed, nil
}
