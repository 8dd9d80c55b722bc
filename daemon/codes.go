package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
)

// ClockTrouble is how far behind the clock must be before people are told: half of
// what one-time codes bear is not worth a word.
const ClockTrouble = identity.TOTPPeriod * time.Second / 2

// mayCode tells whether the account's one-time code could be checked here.
func (d *Gate) mayCode(ctx context.Context, e *directory.Entry) checks.Ruling {
	epoch, _ := e.Epoch(identity.TOTP)
	s, err := d.o.Cache.Sealed(ctx, e.Account().UUID, identity.TOTP)
	switch {
	case errors.Is(err, identity.ErrNotFound), err == nil && s.Epoch != epoch:
		r := checks.Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "Offline, and this account needs a one-time code, which cannot be checked on this machine offline.",
			Mend:   "Connect to the network and log in once; if it stays so, ask your administrator to allow offline codes here.",
		}
		if !d.GivesCodes() {
			r.Mend = "Connect to the network: only the server can check it."
		}
		return r
	case err == nil && seal.Lost(ctx, d.o.Sealer, s.Key):
		return checks.Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "Offline, and this machine's sealing key is not the one that your one-time code was remembered for, so it cannot be checked.",
			Mend:   "Connect to the network and log in once with a code.",
		}
	case err != nil:
		d.log.ErrorContext(ctx, "sealed factor", "error", err)
		return checks.Ruling{
			Code: identity.Unavailable, Tell: true, Detail: "Offline, and what is remembered of your one-time code cannot be read.",
			Mend: "Connect to the network and try again.",
		}
	}
	return checks.Fine("")
}

// rightPassword checks what was typed, and for an account with a one-time code
// also the other reading of it, see identity.SplitCode. It is one attempt.
func (s *login) rightPassword(ctx context.Context, v cache.Verifier) (bool, error) {
	right, err := s.d.checkVerifier(ctx, v, s.secret)
	if err != nil || right {
		return right, err
	}
	_, held := s.q.Entry.Epoch(identity.TOTP)
	front, _, ok := identity.SplitCode(s.secret)
	if !held || !ok || s.code.Len() > 0 {
		return false, nil
	}
	if right, err = s.d.checkVerifier(ctx, v, front); err != nil || !right {
		return false, err
	}
	s.takeApart()
	return true, nil
}

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

// codeHere checks the code. The caller holds the account's lock.
func (s *login) codeHere(ctx context.Context) (identity.Factor, checks.Ruling) {
	none, id := identity.Factor{}, s.q.Entry.Account().UUID
	if r := s.d.tries.Reserve(ctx, id, lockout.Code, s.Origin()); r.Code != identity.Granted {
		return none, r
	}
	step, r := s.codeStep(ctx)
	if r.Code != identity.Granted {
		if r.Code != identity.Denied {
			s.d.tries.TakeBack(ctx, id, lockout.Code, s.Origin())
		}
		return none, r
	}
	epoch, _ := s.q.Entry.Epoch(identity.TOTP)
	// On disk before anyone is told yes: a crash in between costs a code, and lets
	// nobody use one twice.
	switch err := s.d.o.Cache.UseStep(ctx, id, cache.Epoch{Kind: identity.TOTP, Epoch: epoch}, step); {
	case errors.Is(err, cache.ErrUsed):
		return none, checks.Ruling{Code: identity.Denied}
	case err != nil:
		return none, lockout.Uncounted(err)
	}
	return identity.Factor{Kind: identity.TOTP, Epoch: epoch}, checks.Fine("")
}

// codeStep finds which step's code was typed. The secret is opened for this one
// check and wiped after it.
func (s *login) codeStep(ctx context.Context) (int64, checks.Ruling) {
	d, id := s.d, s.q.Entry.Account().UUID
	epoch, _ := s.q.Entry.Epoch(identity.TOTP)
	kept, err := d.o.Cache.Sealed(ctx, id, identity.TOTP)
	if err != nil || kept.Epoch != epoch {
		return 0, checks.Ruling{Code: identity.NotPermitted}
	}
	opened, err := d.o.Sealer.Open(ctx, identity.SealInfo(d.o.Realm, d.o.Machine, id, identity.TOTP, epoch), kept.Blob)
	secret := identity.NewSecret(opened)
	defer secret.Wipe()
	var step int64
	var ok bool
	if err == nil {
		step, ok, err = identity.TOTPStep(secret, s.code, d.Clock().Now())
	}
	if err != nil {
		d.log.ErrorContext(ctx, "a sealed factor cannot be used", "account", s.q.Entry.Account().Name, "error", err)
		return 0, checks.Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "Offline, and what is kept here of your one-time code cannot be opened.",
			Mend: "Connect to the network and log in once.",
		}
	}
	if ok {
		return step, checks.Fine("")
	}
	if by := d.Clock().Behind(); by > ClockTrouble {
		return 0, checks.Ruling{
			Code: identity.Denied, Tell: true,
			Detail: "Refused. This machine's clock is " + report.Friendly(by) + " behind a time that is known for sure, so even a right code may be refused.",
			Mend:   "Set the clock, or connect to the network.",
		}
	}
	return 0, checks.Ruling{Code: identity.Denied}
}

// usedStep is the newest time step that was used here, and the epoch of its secret: the
// account may have a new one that this machine has not heard of. It is 0 when it cannot
// be told: the server has its own memory.
func (d *Gate) usedStep(ctx context.Context, e *directory.Entry) (step int64, epoch uint64) {
	epoch, held := e.Epoch(identity.TOTP)
	if !held {
		return 0, 0
	}
	step, err := d.o.Cache.UsedStep(ctx, e.Account().UUID, cache.Epoch{Kind: identity.TOTP, Epoch: epoch})
	if err != nil {
		d.log.WarnContext(ctx, "used codes cannot be read", "error", err)
	}
	return step, epoch
}

// keepSealed keeps what came with the server's yes, or ends what was kept when
// nothing came: the realm's policy may have changed. Only a yes to a one-time code
// says anything of that. It undoes no login: what goes wrong is logged, and then the
// account cannot log in offline. What was sealed to another key is of no use here, and
// says that somebody else has told the server so in this machine's name.
func (d *Gate) keepSealed(ctx context.Context, e *directory.Entry, proved []identity.FactorKind, list []provider.SealedFactor) {
	if !slices.Contains(proved, identity.TOTP) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	public, err := d.o.Sealer.Public(ctx)
	if err != nil {
		d.log.ErrorContext(ctx, "the sealed factor is not stored", "error", err)
		return
	}
	sum := sha256.Sum256(public)
	foreign := slices.ContainsFunc(list, func(f provider.SealedFactor) bool { return len(f.SealedTo) > 0 && !bytes.Equal(f.SealedTo, sum[:]) })
	d.sealKey.sealed(d, foreign)
	d.InOrder(func() { d.storeSealed(ctx, e, list, sum, foreign) })
}

// storeSealed does it, by what the directory says now.
func (d *Gate) storeSealed(ctx context.Context, e *directory.Entry, list []provider.SealedFactor, key [sha256.Size]byte, foreign bool) {
	var err error
	now := d.Directory().WithUUID(e.Account().UUID)
	if now == nil {
		return
	}
	epoch, held := now.Epoch(identity.TOTP)
	if !held {
		return // what was kept ended with the credential
	}
	fits := func(f provider.SealedFactor) bool {
		return f.Kind == identity.TOTP && f.Epoch == epoch && len(f.Blob) > 0 && !foreign
	}
	at := slices.IndexFunc(list, fits)
	if at >= 0 && now.State() == identity.Active && now.Blocked() == "" && now.OfflineFor() > 0 {
		s := cache.Sealed{UUID: now.Account().UUID, Kind: identity.TOTP, Epoch: epoch, Blob: list[at].Blob, Key: key[:seal.KeyIDLen]}
		err = d.o.Cache.PutSealed(ctx, s, list[at].LastStep)
	} else if _, serr := d.o.Cache.Sealed(ctx, now.Account().UUID, identity.TOTP); !errors.Is(serr, identity.ErrNotFound) {
		err = d.o.Cache.DeleteSealed(ctx, now.Account().UUID)
	}
	if err != nil {
		d.log.ErrorContext(ctx, "the sealed factor is not stored as the server said", "account", now.Account().Name, "error", err)
	}
}

// sealKey is whether the server knows what to seal to.
type sealKey struct {
	mu    sync.Mutex
	known bool
	why   string // it does not
	// foreign is set while the server seals to a key that is not this machine's.
	foreign bool
}

// sealed notes whether the server's last secret was sealed to another key, and tells it
// the right one again.
func (k *sealKey) sealed(d *Gate, foreign bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.foreign = foreign
	if !foreign {
		return
	}
	d.log.Error("ALARM: the server seals secrets for this machine to a key that is not this machine's; another machine may use its identity")
	k.known = false
	go d.RegisterKey(d.Life())
}

// SealIsForeign tells whether the server seals to a key that is not this machine's.
func (d *Gate) SealIsForeign() bool {
	d.sealKey.mu.Lock()
	defer d.sealKey.mu.Unlock()
	return d.sealKey.foreign
}

// SealKeyProblem says why the server does not know what to seal to; "" while it does.
func (d *Gate) SealKeyProblem() string {
	d.sealKey.mu.Lock()
	defer d.sealKey.mu.Unlock()
	return d.sealKey.why
}

// GivesCodes tells whether the provider gives machines what codes are checked with.
func (d *Gate) GivesCodes() bool {
	_, can := d.o.Provider.(provider.KeyRegistrar)
	return can
}

// RegisterKey tells the server once in the life of the daemon what to seal to. It
// is called between the list and the change stream, by one goroutine: who is online
// has registered.
func (d *Gate) RegisterKey(ctx context.Context) {
	r, can := d.o.Provider.(provider.KeyRegistrar)
	d.sealKey.mu.Lock()
	known := d.sealKey.known
	d.sealKey.mu.Unlock()
	if !can || known {
		return
	}
	_, err := resolver.WithProviderTimeout(ctx, d.p.ServerTimeout, func(ctx context.Context) (struct{}, error) {
		public, err := d.o.Sealer.Public(ctx)
		if err == nil {
			err = r.SetSealingKey(ctx, public)
		}
		return struct{}{}, err
	})
	d.sealKey.mu.Lock()
	defer d.sealKey.mu.Unlock()
	d.sealKey.known, d.sealKey.why = err == nil, ""
	if err != nil {
		d.sealKey.why = err.Error()
		d.log.WarnContext(ctx, "the sealing key is not registered", "error", err)
	}
}
