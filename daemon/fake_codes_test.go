package daemon

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

const newSecret = "KRUGS4ZANFZSAYJAONSWG4TFOQ"

// right tells whether one answer is, and notes what it proved.
func (x *exchange) right(kind identity.FactorKind, c identity.Secret) bool {
	switch kind {
	case identity.Password:
		x.done = append(x.done, identity.Password)
		return string(c.Reveal()) == x.p.password
	case identity.PasswordAndTOTP:
		x.done = append(x.done, identity.Password)
		front, code, ok := identity.SplitCode(c)
		if string(c.Reveal()) == x.p.password || !ok {
			return string(c.Reveal()) == x.p.password
		}
		x.done = append(x.done, identity.TOTP)
		return string(front.Reveal()) == x.p.password && x.p.rightCode(code, x.used(), x.s.now())
	case identity.TOTP:
		x.done = append(x.done, identity.TOTP)
		return x.p.rightCode(c, x.used(), x.s.now())
	case identity.BackupCode:
		x.done = append(x.done, identity.BackupCode)
		at := slices.Index(x.p.backup, string(c.Reveal()))
		if at < 0 {
			return false
		}
		if x.p.backup = slices.Delete(x.p.backup, at, at+1); len(x.p.backup) == 0 {
			x.p.token.Factors = slices.DeleteFunc(slices.Clone(x.p.token.Factors), func(f identity.Factor) bool { return f.Kind == identity.BackupCode })
			x.p.token.Revision = uint64(len(x.s.log) + 1)
			x.s.push(provider.Event{Kind: provider.Changed, Record: x.s.record(nil, x.p)})
		}
		return true
	case identity.PIV:
		x.done = append(x.done, identity.PIV)
		proof, err := identity.ParseCardProof(c.Reveal())
		challenge := identity.CardChallenge{
			Realm: realm, Machine: x.s.machine, Account: x.p.token.Account.UUID, Service: x.a.Service, Nonce: x.nonce,
		}
		x.nonce = identity.Nonce{}
		return err == nil && slices.ContainsFunc(x.p.token.Factors, func(f identity.Factor) bool {
			return f.Kind == identity.PIV && proof.Verify(f.Certificate, challenge) == nil
		})
	case identity.NewPIV:
		return x.newCard(c)
	case identity.PasswordByOPAQUE, identity.PasswordProof, identity.NewPassword, identity.NewPasswordRecord:
		return false // a provider's affair
	case identity.NewTOTP:
		fresh := person{secret: x.fresh}
		if !fresh.rightCode(c, 0, x.s.now()) {
			return false
		}
		x.p.secret, x.p.lastStep = x.fresh, fresh.lastStep
		x.without(identity.TOTP, nil)
		x.with(identity.Factor{Kind: identity.TOTP})
		x.done = []identity.FactorKind{identity.Password, identity.TOTP}
		return true
	}
	return false
}

// rightCode takes a code once.
func (p *person) rightCode(c identity.Secret, used int64, now time.Time) bool {
	if p.secret == "" {
		return string(c.Reveal()) == p.code
	}
	step, ok, err := identity.TOTPStep(identity.NewSecret([]byte(p.secret)), c, now)
	if err != nil || !ok || step <= max(p.lastStep, used) {
		return false
	}
	p.lastStep = step
	return true
}

// sealed is what an Allow carries for this machine.
func (s *server) sealed(p *person, machine uuid.UUID) []provider.SealedFactor {
	epoch, held := p.token.FactorEpoch(identity.TOTP)
	if p.secret == "" || !p.shared || !held || s.sealTo == nil {
		return nil
	}
	sum := sha256.Sum256(s.sealTo)
	f := provider.SealedFactor{Kind: identity.TOTP, Epoch: epoch, LastStep: p.lastStep, SealedTo: sum[:]}
	info := identity.SealInfo(realm, machine, p.token.Account.UUID, identity.TOTP, epoch)
	var err error
	if f.Blob, err = identity.SealTo(s.sealTo, info, identity.NewSecret([]byte(p.secret))); err != nil {
		panic(err)
	}
	if s.tampered != nil {
		s.tampered(&f)
	}
	return []provider.SealedFactor{f}
}

// SetSealingKey implements provider.KeyRegistrar.
func (s *server) SetSealingKey(ctx context.Context, public []byte) error {
	if err := s.answer(ctx); err != nil {
		return err
	}
	if s.refusesKey.Load() {
		return provider.ErrOffline
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealTo = slices.Clone(public)
	return nil
}

// used is what the machine says that it used itself, of the secret that there is now.
func (x *exchange) used() int64 {
	if epoch, _ := x.p.token.FactorEpoch(identity.TOTP); x.a.UsedEpoch != epoch {
		return 0
	}
	return x.a.UsedStep
}
