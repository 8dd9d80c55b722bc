package offline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
)

// ClockTrouble is how far behind the clock must be before people are told: half of
// what one-time codes bear is not worth a word.
const ClockTrouble = identity.TOTPPeriod * time.Second / 2

// accounts is what Codes need of whoever finds the accounts of the realm.
type accounts interface {
	Directory() *directory.Directory
	// InOrder stores something while nothing changes what is known.
	InOrder(do func())
	// Life ends with the daemon: it is for work that no caller waits for.
	Life() context.Context
}

// Options are for [NewCodes]. All must be set.
type Options struct {
	Accounts accounts
	// Registrar is told this machine's sealing key; nil: the provider gives no codes.
	Registrar provider.KeyRegistrar
	Cache     *cache.Cache
	Sealer    seal.Sealer
	Realm     string
	Machine   uuid.UUID     // this machine's uuid at the server
	Timeout   time.Duration // for the server to be told a key
	Log       *slog.Logger
}

// Codes check one-time codes with the secrets that the server sealed to this machine. They
// are safe for concurrent use.
type Codes struct {
	o Options

	mu    sync.Mutex
	known bool   // to the server: what to seal to
	why   string // it is not
	// foreign is set while the server seals to a key that is not this machine's.
	foreign bool
}

// NewCodes makes them.
func NewCodes(o Options) *Codes { return &Codes{o: o} }

// MayCheck tells whether the account's one-time code could be checked here.
func (k *Codes) MayCheck(ctx context.Context, e *directory.Entry) checks.Ruling {
	epoch, _ := e.Epoch(identity.TOTP)
	s, err := k.o.Cache.Sealed(ctx, e.Account().UUID, identity.TOTP)
	switch {
	case errors.Is(err, identity.ErrNotFound), err == nil && s.Epoch != epoch:
		r := checks.Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "Offline, and your one-time code cannot be checked here.",
			Mend:   "Connect to the network and log in once. If it stays so, ask your administrator for offline codes.",
		}
		if !k.Given() {
			r.Mend = "Connect to the network: only the server can check it."
		}
		return r
	case err == nil && seal.Lost(ctx, k.o.Sealer, s.Key):
		return checks.Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "Offline. Your code was kept with another sealing key.",
			Mend:   "Connect to the network and log in once with a code.",
		}
	case err != nil:
		k.o.Log.ErrorContext(ctx, "sealed factor", "error", err)
		return checks.Ruling{
			Code: identity.Unavailable, Tell: true, Detail: "Offline, and what is kept of your code cannot be read.",
			Mend: "Connect to the network and try again.",
		}
	}
	return checks.Fine("")
}

// Step finds which step's code was typed, 0 if it is none of now. The ruling grants
// where it could be checked. The secret is opened for this one check and wiped after it.
func (k *Codes) Step(ctx context.Context, e *directory.Entry, code identity.Secret, now time.Time) (step int64, r checks.Ruling) {
	id := e.Account().UUID
	epoch, _ := e.Epoch(identity.TOTP)
	kept, err := k.o.Cache.Sealed(ctx, id, identity.TOTP)
	if err != nil || kept.Epoch != epoch {
		return 0, checks.Ruling{Code: identity.NotPermitted}
	}
	opened, err := k.o.Sealer.Open(ctx, identity.SealInfo(k.o.Realm, k.o.Machine, id, identity.TOTP, epoch), kept.Blob)
	secret := identity.NewSecret(opened)
	defer secret.Wipe()
	var ok bool
	if err == nil {
		step, ok, err = identity.TOTPStep(secret, code, now)
	}
	switch {
	case err != nil:
		k.o.Log.ErrorContext(ctx, "a sealed factor cannot be used", "account", e.Account().Name, "error", err)
		return 0, checks.Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "Offline, and what is kept of your code cannot be opened.",
			Mend: "Connect to the network and log in once.",
		}
	case !ok:
		return 0, checks.Ruling{Code: identity.Denied}
	}
	return step, checks.Fine("")
}

// Used is the newest time step that was used here, and the epoch of its secret: the
// account may have a new one that this machine has not heard of. It is 0 when it cannot be
// told: the server has its own memory.
func (k *Codes) Used(ctx context.Context, e *directory.Entry) (step int64, epoch uint64) {
	epoch, held := e.Epoch(identity.TOTP)
	if !held {
		return 0, 0
	}
	step, err := k.o.Cache.UsedStep(ctx, e.Account().UUID, cache.Epoch{Kind: identity.TOTP, Epoch: epoch})
	if err != nil {
		k.o.Log.WarnContext(ctx, "used codes cannot be read", "error", err)
	}
	return step, epoch
}

// Use writes down that the step was used, and returns the epoch of its secret. It is
// [cache.ErrUsed] when that step or a later one was used before.
func (k *Codes) Use(ctx context.Context, e *directory.Entry, step int64) (epoch uint64, err error) {
	epoch, _ = e.Epoch(identity.TOTP)
	return epoch, k.o.Cache.UseStep(ctx, e.Account().UUID, cache.Epoch{Kind: identity.TOTP, Epoch: epoch}, step)
}

// Keep keeps what came with the server's yes, or ends what was kept when nothing came: the
// realm's policy may have changed. Only a yes to a one-time code says anything of that. It
// undoes no login: what goes wrong is logged, and then the account cannot log in offline.
// What was sealed to another key is of no use here, and says that somebody else has told
// the server so in this machine's name.
func (k *Codes) Keep(ctx context.Context, e *directory.Entry, proved []identity.FactorKind, list []provider.SealedFactor) {
	if !slices.Contains(proved, identity.TOTP) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	public, err := k.o.Sealer.Public(ctx)
	if err != nil {
		k.o.Log.ErrorContext(ctx, "the sealed factor is not stored", "error", err)
		return
	}
	sum := sha256.Sum256(public)
	foreign := slices.ContainsFunc(list, func(f provider.SealedFactor) bool { return len(f.SealedTo) > 0 && !bytes.Equal(f.SealedTo, sum[:]) })
	k.note(foreign)
	k.o.Accounts.InOrder(func() { k.store(ctx, e, list, sum, foreign) })
}

// store does it, by what the directory says now.
func (k *Codes) store(ctx context.Context, e *directory.Entry, list []provider.SealedFactor, key [sha256.Size]byte, foreign bool) {
	var err error
	now := k.o.Accounts.Directory().WithUUID(e.Account().UUID)
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
		err = k.o.Cache.PutSealed(ctx, s, list[at].LastStep)
	} else if _, serr := k.o.Cache.Sealed(ctx, now.Account().UUID, identity.TOTP); !errors.Is(serr, identity.ErrNotFound) {
		err = k.o.Cache.DeleteSealed(ctx, now.Account().UUID)
	}
	if err != nil {
		k.o.Log.ErrorContext(ctx, "the sealed factor is not stored as the server said", "account", now.Account().Name, "error", err)
	}
}

// note keeps whether the server's last secret was sealed to another key, and tells it the
// right one again.
func (k *Codes) note(foreign bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.foreign = foreign
	if !foreign {
		return
	}
	k.o.Log.Error("ALARM: the server seals secrets for this machine to a key that is not this machine's; another machine may use its identity")
	k.known = false
	go k.Register(k.o.Accounts.Life())
}

// Foreign tells whether the server seals to a key that is not this machine's.
func (k *Codes) Foreign() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.foreign
}

// Problem says why the server does not know what to seal to; "" while it does.
func (k *Codes) Problem() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.why
}

// Given tells whether the provider gives machines what codes are checked with.
func (k *Codes) Given() bool {
	return k.o.Registrar != nil
}

// Register tells the server once in the life of the daemon what to seal to. It is called
// between the list and the change stream, by one goroutine: who is online has registered.
func (k *Codes) Register(ctx context.Context) {
	k.mu.Lock()
	known := k.known
	k.mu.Unlock()
	if k.o.Registrar == nil || known {
		return
	}
	_, err := resolver.WithProviderTimeout(ctx, k.o.Timeout, func(ctx context.Context) (struct{}, error) {
		public, err := k.o.Sealer.Public(ctx)
		if err == nil {
			err = k.o.Registrar.SetSealingKey(ctx, public)
		}
		return struct{}{}, err
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known, k.why = err == nil, ""
	if err != nil {
		k.why = err.Error()
		k.o.Log.WarnContext(ctx, "the sealing key is not registered", "error", err)
	}
}
