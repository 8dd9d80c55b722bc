package verification

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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
	ErrNoKey = errors.New("you have no key on this machine yet: run \"sallyport verify --set-up\" first, or insert the card that has it, where you sit")
	// ErrOtherKey says that the realm has another one.
	ErrOtherKey = errors.New("the realm has another key of yours than this machine: it was set at another machine, on a card that is not here, or by somebody else. " +
		"Verify there or insert that card; or, if it was not you, run \"sallyport verify --set-up\" here and tell your administrator")
	// ErrElsewhere says that the realm has a key of the account that is not here.
	ErrElsewhere = errors.New("your key is on another machine, or on a card that is not here. Verify there, insert that card, or run \"sallyport verify --set-up\" for a new key of this machine")
	// ErrNeedsCard says that the account's key is on a card, which has not agreed on the secret of
	// that call, or not lately.
	ErrNeedsCard = errors.New("your key is on your card, and the call is no longer remembered: run the command again")
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
	// Name is the name that an account has now; identity.ErrNotFound where it is none any more.
	Name func(uuid.UUID) (identity.Name, error)
	Log  *slog.Logger
}

// Desk is that of one realm. Its methods are safe for concurrent use.
type Desk struct {
	o  Options
	mu sync.Mutex // of what is heard, and of what is stored of contacts

	held held // calls by a card

	waits   atomic.Bool // notes may wait that the server may take
	sending sync.Mutex  // of who sends them, and of why
	why     string      // the last note was not taken
}

// New makes one. [Desk.End] ends it.
func New(o Options) *Desk { return &Desk{o: o} }

// End wipes what is held in memory.
func (d *Desk) End() { d.held.end(nil) }

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
	d.held.end(func(i heldID) bool { return i.account == account && i.own != string(k.Public) })
	return d.o.Cache.PutVerifyKey(ctx, account, k) //nolint:wrapcheck // it says what it is about
}

// Remove ends the account's key.
func (d *Desk) Remove(ctx context.Context, account uuid.UUID) error {
	d.held.end(func(i heldID) bool { return i.account == account })
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

// Learn remembers what the realm says of somebody, and of the account. It checks that own is the
// key here.
func (d *Desk) Learn(ctx context.Context, account uuid.UUID, person, own provider.VerifyPerson) error {
	k, err := d.Key(ctx, account)
	if err != nil {
		return err
	}
	if own.ID != account || !bytes.Equal(own.Public, k.Public) {
		return ErrOtherKey
	}
	if k.Partners != own.Partners { // the realm decides whom it tells
		k.Partners = own.Partners
		if err := d.Keep(ctx, account, k); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	c := cache.VerifyContact{Realm: person.Realm, ID: person.ID}
	if at := slices.IndexFunc(all, c.Same); at >= 0 {
		c = all[at]
	}
	c.Name, c.FullName, c.Organisation, c.Domain, c.LooksLike = person.Name, person.FullName, person.Organisation, person.Domain, person.RealmLooksLike
	c.Public, c.Made, c.Told, c.Fetched = person.Public, person.Made, person.Told, d.o.Now()
	c.ServerHeld, c.OwnServerHeld = person.ServerHeld, own.ServerHeld
	return d.o.Cache.PutVerifyContact(ctx, account, c) //nolint:wrapcheck // it says what it is about
}

// Who names somebody and what the call is about (verify.Subject), and Person is who that is.
// Realm is "" in the account's own.
type (
	Who    struct{ Name, Realm, Subject string }
	Person struct {
		Realm string
		ID    uuid.UUID
	}
)

// contact finds whom that name was last heard of.
func contact(all []cache.VerifyContact, w Who) (best cache.VerifyContact, err error) {
	err = ErrUnknown
	for _, c := range all {
		if c.Name == w.Name && identity.FoldName(c.Realm) == identity.FoldName(w.Realm) && (err != nil || c.Fetched.After(best.Fetched)) {
			best, err = c, nil
		}
	}
	return best, err
}

// realm is the name of a contact's realm.
func (d *Desk) realm(c cache.VerifyContact) string { return cmp.Or(c.Realm, d.o.Realm) }

// call begins one of the account with a contact. Its end is for the caller to see to.
func (d *Desk) call(ctx context.Context, account uuid.UUID, c cache.VerifyContact, subject string) (verify.Call, error) {
	k, err := d.Key(ctx, account)
	if err != nil {
		return verify.Call{}, err
	}
	if k.OnCard() {
		if call, ok := d.held.get(d.heldID(account, k, c, subject)); ok {
			return call, nil
		}
		return verify.Call{}, ErrNeedsCard
	}
	opened, err := d.o.Sealer.Open(ctx, d.info(account), k.Sealed)
	if err != nil {
		return verify.Call{}, fmt.Errorf("open the key: %w. Run \"sallyport verify --set-up\" for a new one", err)
	}
	private := identity.NewSecret(opened)
	defer private.Wipe()
	own, theirs := d.parties(account, k, c)
	return verify.Begin(private, own, theirs, subject) //nolint:wrapcheck // it says what it is about
}

func (d *Desk) parties(account uuid.UUID, k cache.VerifyKey, c cache.VerifyContact) (own, theirs verify.Party) {
	return verify.Party{Realm: d.o.Realm, ID: account, Public: k.Public}, verify.Party{Realm: d.realm(c), ID: c.ID, Public: c.Public}
}

// BeginByCard begins a call with somebody by the account's card, and holds it in memory for a
// while. agree is asked for the shared secret of the two public halves, once.
func (d *Desk) BeginByCard(ctx context.Context, account uuid.UUID, w Who, agree func(own, theirs []byte) (identity.Secret, error)) error {
	k, err := d.Key(ctx, account)
	if err != nil {
		return err
	}
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	c, err := contact(all, w)
	if err != nil {
		return err
	}
	own, theirs := d.parties(account, k, c)
	call, err := verify.BeginBy(func(other *ecdh.PublicKey) (identity.Secret, error) { return agree(own.Public, other.Bytes()) }, own, theirs, w.Subject)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	d.held.put(d.heldID(account, k, c, w.Subject), call)
	return nil
}

// Say is what there is to know of somebody, and the code to say now.
func (d *Desk) Say(ctx context.Context, account uuid.UUID, w Who) (report.VerifyCall, Person, error) {
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return report.VerifyCall{}, Person{}, err //nolint:wrapcheck // it says what it is about
	}
	c, err := contact(all, w)
	if err != nil {
		return report.VerifyCall{}, Person{}, err
	}
	now, is, out := d.o.Now(), Person{c.Realm, c.ID}, d.known(c)
	out.LooksLike, out.RealmLooksLike = d.alike(all, c)
	if c.Wrong.Locked(now) {
		out.LockedUntil = c.Wrong.LockedUntil
		return out, is, nil
	}
	call, err := d.call(ctx, account, c, w.Subject)
	if errors.Is(err, ErrNeedsCard) {
		out.NeedsPIN = true
		return out, is, nil
	}
	if err != nil {
		return report.VerifyCall{}, is, err
	}
	defer call.End()
	code, left := call.Say(now)
	out.Say, out.SecondsLeft = code, int(left/time.Second)
	return out, is, nil
}

// known is what is remembered of somebody.
func (d *Desk) known(c cache.VerifyContact) report.VerifyCall {
	out := report.VerifyCall{
		Name: c.Name, FullName: c.FullName, Realm: d.realm(c), OwnRealm: c.Realm == "", Organisation: c.Organisation, Domain: c.Domain, Told: c.Told,
		ID: c.ID.String(), PublicKey: c.Public, Fingerprint: verify.Fingerprint(c.Public), KeyMade: c.Made, Asked: c.Fetched,
		ServerHeld: c.ServerHeld, OwnServerHeld: c.OwnServerHeld, Key: c.Of(c.Public),
	}
	if out.Key != verify.First {
		out.Confirmed = c.ConfirmedAt
	}
	if out.Key == verify.Another {
		out.FingerprintBefore = verify.Fingerprint(c.Confirmed)
	}
	return out
}

// alike are the people who were confirmed before and whom somebody's name looks like, and the
// realms whose names the realm's looks like: those that the server says, one's own, and those
// in which somebody was confirmed.
func (d *Desk) alike(all []cache.VerifyContact, c cache.VerifyContact) (people, realms []string) {
	realm := d.realm(c)
	if c.Realm != "" {
		realms = append(realms, c.LooksLike...)
		if spelling.Alike(realm, d.o.Realm) {
			realms = append(realms, d.o.Realm)
		}
	}
	for _, other := range all {
		if len(other.Confirmed) == 0 || other.Same(c) {
			continue
		}
		if other.Name == c.Name || spelling.Alike(other.Name, c.Name) {
			people = append(people, other.Name+"@"+d.realm(other))
		}
		if c.Realm != "" && spelling.Alike(realm, d.realm(other)) {
			realms = append(realms, d.realm(other))
		}
	}
	slices.Sort(realms)
	return people, slices.Compact(realms)
}

// Hear judges what was heard of somebody whose key is shown, and returns who that is.
func (d *Desk) Hear(ctx context.Context, account uuid.UUID, w Who, in report.VerifyHeard) (report.VerifyVerdict, Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.o.Cache.VerifyContacts(ctx, account)
	if err != nil {
		return report.VerifyVerdict{}, Person{}, err //nolint:wrapcheck // it says what it is about
	}
	c, err := contact(all, w)
	if err != nil {
		return report.VerifyVerdict{}, Person{}, err
	}
	is := Person{c.Realm, c.ID}
	if !bytes.Equal(c.Public, in.PublicKey) {
		return report.VerifyVerdict{}, is, ErrChanged
	}
	now := d.o.Now()
	if c.Wrong.Locked(now) {
		return report.VerifyVerdict{Verdict: verify.Locked, LockedUntil: c.Wrong.LockedUntil}, is, nil
	}
	call, err := d.call(ctx, account, c, w.Subject)
	if err != nil {
		return report.VerifyVerdict{}, is, err
	}
	defer call.End()
	v := report.VerifyVerdict{}
	v.Verdict, c.Record = call.Judge(in.Code, c.Public, now, c.Record)
	if c.Wrong.Locked(now) {
		v.LockedUntil = c.Wrong.LockedUntil
	}
	if v.Verdict == verify.NoCode || v.Verdict == verify.Used {
		return v, is, nil
	}
	if v.Verdict == verify.Confirmed {
		d.held.end(func(i heldID) bool { return i.account == account && i.realm == c.Realm && i.id == c.ID })
	}
	if err := d.o.Cache.PutVerifyContact(ctx, account, c); err != nil {
		return report.VerifyVerdict{}, is, err //nolint:wrapcheck // likewise: no verdict that is not written down
	}
	return v, is, nil
}
