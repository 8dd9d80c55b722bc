package verification

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/spelling"
)

// keyKind and keyEpoch are what a private half is sealed for: see identity.SealInfo.
const (
	keyKind  identity.FactorKind = "verify"
	keyEpoch uint64              = 1
)

var (
	// ErrNoKey says that the account has no key here.
	ErrNoKey = errors.New("you have no key on this machine yet: run \"sallyport verify --set-up\" first")
	// ErrOtherKey says that the realm has another one.
	ErrOtherKey = errors.New("the realm has another key of yours than this machine: it was set at another machine, or by somebody else. " +
		"Verify there; or, if it was not you, run \"sallyport verify --set-up\" here and tell your administrator")
	// ErrUnknown says that somebody was never asked about.
	ErrUnknown = fmt.Errorf("%w: nobody of that name is remembered here, and the server does not answer", identity.ErrNotFound)
	// ErrChanged says that the key is not the one that was shown.
	ErrChanged = errors.New("the other's key has changed since it was shown: begin again")
)

// Options are for [New]. All must be set.
type Options struct {
	Cache   *cache.Cache
	Sealer  seal.Sealer
	Realm   string
	Machine uuid.UUID
	Now     func() time.Time
}

// Desk is that of one realm. Its methods are safe for concurrent use.
type Desk struct {
	o  Options
	mu sync.Mutex // of what is heard, and of what is stored of contacts
}

// New makes one.
func New(o Options) *Desk { return &Desk{o: o} }

func (d *Desk) info(account uuid.UUID) []byte {
	return identity.SealInfo(d.o.Realm, d.o.Machine, account, keyKind, keyEpoch)
}

// NewKey makes a key and seals it; [Desk.Keep] stores it once the realm has the public half.
func (d *Desk) NewKey(ctx context.Context, account uuid.UUID) (cache.VerifyKey, error) {
	private, err := verify.NewKey()
	if err != nil {
		return cache.VerifyKey{}, err //nolint:wrapcheck // it says what it is about
	}
	defer private.Wipe()
	public, err := verify.Public(private)
	if err != nil {
		return cache.VerifyKey{}, err //nolint:wrapcheck // likewise
	}
	to, err := d.o.Sealer.Public(ctx)
	if err != nil {
		return cache.VerifyKey{}, fmt.Errorf("seal the key: %w", err)
	}
	sealed, err := identity.SealTo(to, d.info(account), private)
	if err != nil {
		return cache.VerifyKey{}, fmt.Errorf("seal the key: %w", err)
	}
	return cache.VerifyKey{Public: public, Sealed: sealed}, nil
}

// Keep stores a key in place of the account's.
func (d *Desk) Keep(ctx context.Context, account uuid.UUID, k cache.VerifyKey) error {
	return d.o.Cache.PutVerifyKey(ctx, account, k) //nolint:wrapcheck // it says what it is about
}

// Remove ends the account's key.
func (d *Desk) Remove(ctx context.Context, account uuid.UUID) error {
	return d.o.Cache.DeleteVerifyKey(ctx, account) //nolint:wrapcheck // it says what it is about
}

// Key is the account's; ErrNoKey where there is none.
func (d *Desk) Key(ctx context.Context, account uuid.UUID) (cache.VerifyKey, error) {
	k, err := d.o.Cache.VerifyKey(ctx, account)
	if errors.Is(err, identity.ErrNotFound) {
		return k, ErrNoKey
	}
	return k, err //nolint:wrapcheck // it says what it is about
}

// Learn remembers what the realm says of somebody, and checks that own is the key here.
func (d *Desk) Learn(ctx context.Context, account uuid.UUID, person, own provider.VerifyPerson) error {
	k, err := d.Key(ctx, account)
	if err != nil {
		return err
	}
	if own.ID != account || !bytes.Equal(own.Public, k.Public) {
		return ErrOtherKey
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	var c cache.VerifyContact
	if at := slices.IndexFunc(all, func(c cache.VerifyContact) bool { return c.ID == person.ID }); at >= 0 {
		c = all[at]
	}
	c.ID, c.Name, c.FullName, c.Public, c.Made, c.Fetched = person.ID, person.Name, person.FullName, person.Public, person.Made, d.o.Now()
	return d.o.Cache.PutVerifyContact(ctx, account, c) //nolint:wrapcheck // it says what it is about
}

// contact finds whom that name was last heard of.
func contact(all []cache.VerifyContact, name string) (best cache.VerifyContact, err error) {
	err = ErrUnknown
	for _, c := range all {
		if c.Name == name && (err != nil || c.Fetched.After(best.Fetched)) {
			best, err = c, nil
		}
	}
	return best, err
}

// call begins one of the account with a contact. Its end is for the caller to see to.
func (d *Desk) call(ctx context.Context, account uuid.UUID, c cache.VerifyContact) (verify.Call, error) {
	k, err := d.Key(ctx, account)
	if err != nil {
		return verify.Call{}, err
	}
	opened, err := d.o.Sealer.Open(ctx, d.info(account), k.Sealed)
	if err != nil {
		return verify.Call{}, fmt.Errorf("open the key: %w. Run \"sallyport verify --set-up\" for a new one", err)
	}
	private := identity.NewSecret(opened)
	defer private.Wipe()
	return verify.Begin(private, verify.Party{Realm: d.o.Realm, ID: account, Public: k.Public}, verify.Party{Realm: d.o.Realm, ID: c.ID, Public: c.Public}, "") //nolint:wrapcheck // it says what it is about
}

// Say is what there is to know of somebody, and the code to say now.
func (d *Desk) Say(ctx context.Context, account uuid.UUID, name string) (report.VerifyCall, error) {
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return report.VerifyCall{}, err //nolint:wrapcheck // it says what it is about
	}
	c, err := contact(all, name)
	if err != nil {
		return report.VerifyCall{}, err
	}
	now := d.o.Now()
	out := report.VerifyCall{
		Name: c.Name, FullName: c.FullName, Realm: d.o.Realm, ID: c.ID.String(), PublicKey: c.Public, Fingerprint: verify.Fingerprint(c.Public),
		KeyMade: c.Made, Asked: c.Fetched, Key: report.VerifyKeyNew,
	}
	switch {
	case len(c.Confirmed) == 0:
	case bytes.Equal(c.Confirmed, c.Public):
		out.Key, out.Confirmed = report.VerifyKeySame, c.ConfirmedAt
	default:
		out.Key, out.Confirmed, out.FingerprintBefore = report.VerifyKeyChanged, c.ConfirmedAt, verify.Fingerprint(c.Confirmed)
	}
	for _, other := range all {
		if other.ID != c.ID && len(other.Confirmed) > 0 && (other.Name == c.Name || spelling.Alike(other.Name, c.Name)) {
			out.LooksLike = append(out.LooksLike, other.Name)
		}
	}
	if c.Wrong.Locked(now) {
		out.LockedUntil = c.Wrong.LockedUntil
		return out, nil
	}
	call, err := d.call(ctx, account, c)
	if err != nil {
		return report.VerifyCall{}, err
	}
	defer call.End()
	code, left := call.Say(now)
	out.Say, out.SecondsLeft = code, int(left/time.Second)
	return out, nil
}

// Hear judges what was heard of somebody whose key is shown, and returns who that is.
func (d *Desk) Hear(ctx context.Context, account uuid.UUID, in report.VerifyHeard) (report.VerifyVerdict, uuid.UUID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return report.VerifyVerdict{}, uuid.Nil, err //nolint:wrapcheck // it says what it is about
	}
	c, err := contact(all, in.Name)
	if err != nil {
		return report.VerifyVerdict{}, uuid.Nil, err
	}
	if !bytes.Equal(c.Public, in.PublicKey) {
		return report.VerifyVerdict{}, c.ID, ErrChanged
	}
	now := d.o.Now()
	if c.Wrong.Locked(now) {
		return report.VerifyVerdict{Verdict: verify.Locked, LockedUntil: c.Wrong.LockedUntil}, c.ID, nil
	}
	call, err := d.call(ctx, account, c)
	if err != nil {
		return report.VerifyVerdict{}, c.ID, err
	}
	defer call.End()
	v := report.VerifyVerdict{}
	v.Verdict, c.Record = call.Judge(in.Code, c.Public, now, c.Record)
	if c.Wrong.Locked(now) {
		v.LockedUntil = c.Wrong.LockedUntil
	}
	if v.Verdict == verify.NoCode || v.Verdict == verify.Used {
		return v, c.ID, nil
	}
	if err := d.o.Cache.PutVerifyContact(ctx, account, c); err != nil {
		return report.VerifyVerdict{}, c.ID, err //nolint:wrapcheck // likewise: no verdict that is not written down
	}
	return v, c.ID, nil
}
