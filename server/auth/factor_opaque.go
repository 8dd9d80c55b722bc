package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// A password that is registered by OPAQUE is proved in two steps, and the server sees
// messages about it alone. What stands in the place of its hash:
//
//	$opaque$v=1$CREDENTIAL$RECORD    both in base64 without padding
//
//	step                 of whom                           comes to
//	password-by-opaque   somebody whose password is        the offer of password: it is sent
//	                     hashed, in a realm that           once more as it is, and registered
//	                     registers passwords               at the end of that login
//	password-by-opaque   locked                            deny
//	password-by-opaque   anybody else                      password-proof, with KE2; it counts
//	                                                       as a wrong password
//	password-proof       wrong                             deny
//	password-proof       right                             what counted is taken back; it goes
//	                                                       on as after a password
//	password             somebody registered               deny, whatever it is: the server
//	                                                       looks at no password of theirs

// registeredPrefix begins what is stored of a registered password.
const registeredPrefix = "$opaque$v=1$"

// formatRegistered is what is stored of a registration.
func formatRegistered(r pake.Registered) string {
	b64 := base64.RawStdEncoding
	return registeredPrefix + b64.EncodeToString(r.Credential) + "$" + b64.EncodeToString(r.Record)
}

// registered is the account's password, nil where it has none that is registered.
func (f *facts) registered() (*pake.Registered, error) {
	text, is := strings.CutPrefix(f.password().PHC, registeredPrefix)
	if !is {
		return nil, nil //nolint:nilnil // there is none
	}
	credential, record, _ := strings.Cut(text, "$")
	b64 := base64.RawStdEncoding.Strict()
	c, err1 := b64.DecodeString(credential)
	r, err2 := b64.DecodeString(record)
	if err := errors.Join(err1, err2); err != nil || len(c) == 0 || len(r) == 0 {
		return nil, fmt.Errorf("a registered password is damaged: %w", err)
	}
	return &pake.Registered{Credential: c, Record: r}, nil
}

// hashed is the account's hash; empty where it has none, or a registered password.
func (f *facts) hashed() string {
	if isRegistered(f.password().PHC) {
		return ""
	}
	return f.password().PHC
}

// Registered tells whether what is stored of a password is a registration.
func (*Engine) Registered(p store.Password) bool { return isRegistered(p.PHC) }

func isRegistered(phc string) bool { return strings.HasPrefix(phc, registeredPrefix) }

// byOPAQUE is a login by OPAQUE between its two steps.
type byOPAQUE struct {
	// whole is about all that was typed, front about what stands before a code, or nil.
	whole, front *pake.Attempt
	counted      []counted
	// epoch is the password's, 0 where there is none.
	epoch uint64
}

// opaqueFactor is the first step.
type opaqueFactor struct{}

func (opaqueFactor) traits() traits {
	return traits{kind: identity.PasswordByOPAQUE, counted: identity.Password}
}

func (opaqueFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	m, err := identity.ParsePasswordMessages(credential.Reveal())
	if err != nil || len(m.Whole) == 0 {
		return t.noMessage(ctx)
	}
	if t.f.locked(identity.Password) {
		return t.locked(ctx)
	}
	set, err := t.opaquePasswords(ctx)
	if err != nil {
		return answer{}, err
	}
	if t.f.hashed() != "" {
		t.s.plain, t.s.registers = true, set.On && t.Reads() == nil
		rest := slices.DeleteFunc(slices.Clone(t.s.offers), func(k identity.FactorKind) bool { return k == identity.PasswordByOPAQUE })
		return t.offer(t.s, rest, answer{})
	}
	if t.Reads() != nil {
		return answer{}, errOpaqueElsewhere
	}
	is, err := t.f.registered()
	if err != nil {
		return answer{}, err
	}
	server, err := t.opaqueServer(set)
	if err != nil {
		return answer{}, err
	}
	by := &byOPAQUE{epoch: t.f.password().Epoch}
	until, err := t.countGuess(ctx, t.s, t.f.now, &by.counted)
	if err != nil {
		return answer{}, err
	}
	if !until.IsZero() {
		return t.locked(ctx)
	}
	var ke2 identity.PasswordMessages
	if ke2.Whole, by.whole, err = server.Login(m.Whole, is, string(t.s.name)); err == nil && len(m.Front) > 0 {
		ke2.Front, by.front, err = server.Login(m.Front, is, string(t.s.name))
	}
	if err != nil {
		return t.noMessage(ctx)
	}
	t.s.by = by
	return t.offerMessages(identity.PasswordProof, ke2)
}

// noMessage ends a session that was sent what is none.
func (t *attempt) noMessage(ctx context.Context) (answer, error) {
	return t.deny(ctx, answer{reason: "no message of OPAQUE"})
}

// errOpaqueElsewhere: a server that only reads has no keys of OPAQUE.
var errOpaqueElsewhere = realm.OnlyReads("passwords of this realm are proved to a full server of it, and this machine reaches none now")

// offerMessages goes on with messages of OPAQUE.
func (t *attempt) offerMessages(kind identity.FactorKind, m identity.PasswordMessages) (answer, error) {
	b, err := m.Encode()
	if err != nil {
		return answer{}, err //nolint:wrapcheck // it says what it is about
	}
	return t.offer(t.s, []identity.FactorKind{kind}, answer{opaque: b.Reveal()})
}

// proofFactor is the second step. Its guess was counted when it could be locked.
type proofFactor struct{}

func (proofFactor) traits() traits { return traits{kind: identity.PasswordProof} }

func (proofFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	by := t.s.by
	t.s.by = nil
	m, err := identity.ParsePasswordMessages(credential.Reveal())
	if err != nil || by == nil {
		return t.noMessage(ctx)
	}
	whole := len(m.Whole) > 0
	switch {
	case whole:
		err = by.whole.Finish(m.Whole)
	case by.front == nil:
		err = pake.ErrWrong
	default:
		err = by.front.Finish(m.Front)
	}
	_, hasTOTP := t.f.totp()
	if err != nil || !whole && !hasTOTP || !t.f.known || by.epoch != t.f.password().Epoch {
		return t.deny(ctx, answer{reason: "password"})
	}
	if err := t.takeBackNow(ctx, by.counted); err != nil {
		return answer{}, err
	}
	r := t.f.provedPassword("")
	if whole {
		return t.advance(ctx, r)
	}
	if why := Standing(t.f.account, t.Now()); why != "" {
		return t.deny(ctx, answer{message: why, reason: why})
	}
	return t.takeCode(ctx, identity.NewSecret(m.Code), r.proofs...)
}

// takeBackNow takes back what a guess was counted as that was right, whatever becomes of the
// session.
func (t *attempt) takeBackNow(ctx context.Context, list []counted) error {
	rec, cancel := recording(ctx)
	defer cancel()
	return t.Store.Write(rec, func(tx *store.Tx) error { return t.takeBack(tx, t.s, list) })
}

// newPasswordFactor is the first step of a registration: of a new password, or of one that
// was hashed until now.
type newPasswordFactor struct{}

func (newPasswordFactor) traits() traits { return traits{kind: identity.NewPassword} }

func (newPasswordFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	server, err := t.registrar(ctx)
	if err != nil {
		return answer{}, err
	}
	m, err := identity.ParsePasswordMessages(credential.Reveal())
	if err != nil {
		return t.noMessage(ctx)
	}
	t.s.credential = pake.NewCredential()
	response, err := server.Registration(m.Whole, t.s.credential)
	if err != nil {
		return t.noMessage(ctx)
	}
	return t.offerMessages(identity.NewPasswordRecord, identity.PasswordMessages{Whole: response})
}

// recordFactor is the second.
type recordFactor struct{}

func (recordFactor) traits() traits { return traits{kind: identity.NewPasswordRecord} }

func (recordFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	server, err := t.registrar(ctx)
	if err != nil {
		return answer{}, err
	}
	m, err := identity.ParsePasswordMessages(credential.Reveal())
	if err != nil || server.CheckRecord(m.Whole) != nil {
		return t.noMessage(ctx)
	}
	phc := formatRegistered(pake.Registered{Credential: t.s.credential, Record: m.Whole})
	proved := t.s.epochOf(identity.Password)
	if !t.s.changes {
		return t.allow(ctx, t.s, func(tx *store.Tx, a store.Account) error {
			return tx.Rehash(a.UUID, store.Password{PHC: phc, Epoch: proved})
		})
	}
	if why := Standing(t.f.account, t.Now()); why != "" {
		return t.deny(ctx, answer{message: why, reason: why})
	}
	if !t.f.known || t.f.password().Epoch != proved || t.missesCode() {
		return t.deny(ctx, answer{reason: "the account changed meanwhile"})
	}
	return t.replacePassword(ctx, t.s, t.f, 0, phc)
}

// epochOf is the epoch of what was proved of a kind; 0 where nothing was.
func (s *session) epochOf(kind identity.FactorKind) uint64 {
	for _, p := range s.proved {
		if p.kind == kind {
			return p.epoch
		}
	}
	return 0
}

// missesCode: a change of the password takes a one-time code too, where the account holds
// one. One that was proved in the login which asks for the change counts (see dueCodes).
func (t *attempt) missesCode() bool {
	held, has := t.f.totp()
	return has && t.s.epochOf(identity.TOTP) != held.Epoch && !t.dues.counts(&t.f, t.Now())
}

// change goes on in a session that is to change the password.
func (t *attempt) change(ctx context.Context, r result) (answer, error) {
	switch {
	case t.s.epochOf(identity.Password) == 0:
		return t.deny(ctx, answer{reason: "no password was proved"})
	case t.missesCode():
		return t.offerNext(ctx, r, []identity.FactorKind{identity.TOTP})
	default:
		return t.offerNext(ctx, r, []identity.FactorKind{identity.NewPassword})
	}
}

// registersNow: a password that was hashed until now, and was proved as it is by a machine
// that knows OPAQUE, is registered at the end of the login.
func (t *attempt) registersNow() bool {
	s := t.s
	return s.registers && slices.Contains(s.methods(), identity.Password) && !s.concatenated && !t.f.due(s) && !isRegistered(t.f.password().PHC)
}

// opaqueKeysOf is no account's: what the keys are sealed for.
var opaqueKeysOf = uuid.MustParse("6f706171-7565-4000-8000-000000000002") //nolint:gochecknoglobals // a constant

// NewOpaqueKeys makes the keys that a realm's passwords are registered under, sealed.
func (e *Engine) NewOpaqueKeys() ([]byte, error) {
	keys, err := pake.ForLogins.NewKeys(e.Name)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return e.Box.Seal(opaqueKeysOf, keys), nil
}

// opaquePasswords is how the realm's people prove passwords.
func (e *Engine) opaquePasswords(ctx context.Context) (set store.OpaquePasswords, err error) {
	err = e.Store.Once(ctx, func(tx *store.Tx) (err error) {
		set, err = tx.OpaquePasswords()
		return err
	})
	return set, err
}

// opaqueServer is the realm's end of OPAQUE.
func (e *Engine) opaqueServer(set store.OpaquePasswords) (*pake.Server, error) {
	return e.opaque.Server(pake.ForLogins, set.Sealed, func(sealed []byte) (identity.Secret, error) { return e.Box.Open(opaqueKeysOf, sealed) }) //nolint:wrapcheck // it says what it is about
}

// registrar is opaqueServer at a moment of its own.
func (e *Engine) registrar(ctx context.Context) (*pake.Server, error) {
	set, err := e.opaquePasswords(ctx)
	if err != nil {
		return nil, err
	}
	return e.opaqueServer(set)
}
