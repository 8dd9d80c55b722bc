package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Two people make sure of each other, docs/verify.md. The peer's uid says whose key is used,
// root's for nobody; a new key takes a proof that is made for it.

var (
	errNoVerifying = errors.New("this realm has no keys to verify people with, because its server does not know of them")
	errWho         = errors.New("a person is named as NAME or NAME@REALM")
)

// verifying is the account of the peer.
func (d *Gate) verifying(peer identity.Peer) (*directory.Entry, error) {
	if d.o.Provider.Verifier == nil {
		return nil, errNoVerifying
	}
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return nil, fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	return e, nil
}

func (d *Gate) verifySetUp(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifySetUp
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	key, made, err := d.keyToSet(ctx, peer, e.Account().UUID, in)
	switch {
	case errors.Is(err, errNoPIN):
		return emit(report.Requested{NeedsProof: true})
	case err != nil:
		return err
	}
	return d.withSession(ctx, peer, in.EnrolArgs, identity.PurposeOfVerifyKey(key.Public, key.Partners), emit, func(ctx context.Context, a asked) (report.Requested, error) {
		id := a.account.Account().UUID
		at, err := d.o.Provider.Verifier.SetVerifyKey(ctx, a.session, key.Public, key.Partners)
		switch {
		case err != nil:
			return report.Requested{}, awayOr(err)
		case in.Remove:
			return report.Requested{}, d.verify.Remove(ctx, id) //nolint:wrapcheck // it says what it is about
		}
		key.Made = at
		if err := d.verify.Keep(ctx, id, key); err != nil {
			return report.Requested{}, fmt.Errorf("the realm has the new key and this machine has not: run it again: %w", err)
		}
		k := ownKey(key)
		k.NewOnCard, k.FactoryKey = made.Made, made.FactoryKey
		return report.Requested{VerifyKey: k}, nil
	})
}

// keyToSet is a new key, the one that is there, or the one on a card; the zero one removes it.
func (d *Gate) keyToSet(ctx context.Context, peer identity.Peer, account uuid.UUID, in report.VerifySetUp) (key cache.VerifyKey, made identity.CardAgreement, err error) {
	switch {
	case in.Remove:
		return key, made, nil
	case in.Keep:
		key, err = d.verify.Key(ctx, account)
	case in.OnCard:
		made, err = d.keyOnCard(ctx, peer, in.EnrolArgs)
		key.Public = made.Public
	default:
		key, err = d.verify.NewKey(ctx, account)
	}
	key.Partners = in.Partners
	return key, made, err //nolint:wrapcheck // it says what it is about
}

func ownKey(k cache.VerifyKey) *report.VerifyKey {
	return &report.VerifyKey{Fingerprint: verify.Fingerprint(k.Public), Made: k.Made, Partners: k.Partners, OnCard: k.OnCard()}
}

func (d *Gate) verifyKey(ctx context.Context, peer identity.Peer, _ []byte, emit func(any) error) error {
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	k, err := d.verify.Key(ctx, e.Account().UUID)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return emit(*ownKey(k))
}

// who is "name" or "name@realm", and what the call is about.
func (d *Gate) who(typed, about string) (verification.Who, error) {
	name, realm, qualified := strings.Cut(typed, "@")
	if name == "" || qualified && realm == "" || realm != identity.Printable(realm) {
		return verification.Who{}, errWho
	}
	if identity.FoldName(realm) == identity.FoldName(d.o.Realm) {
		realm = ""
	}
	subject, err := verify.Subject(about)
	return verification.Who{Name: name, Realm: realm, Subject: subject}, err //nolint:wrapcheck // it says what it is about
}

// verifyCall asks the realm who that is, which begins a call in its audit log. Where no server
// answers, what is remembered counts.
func (d *Gate) verifyCall(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifyWith
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	a := e.Account()
	w, err := d.who(in.Name, in.About)
	if err != nil {
		return err
	}
	away := false
	if !in.Again {
		if away, err = d.askWho(ctx, peer, a, w, in); err != nil {
			return err
		}
	}
	call, is, err := d.verify.Say(ctx, a.UUID, w)
	if err == nil && call.NeedsPIN {
		call, is, err = d.sayByCard(ctx, peer, a, w, in, call, is, emit)
	}
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if call.Away = away; away {
		d.verify.Note(ctx, d.o.Provider.Verifier, a.UUID, is, provider.VerifyBegun, true)
	}
	return emit(call)
}

// askWho has the realm say who that is, and remembers it. away: no server that could answers.
func (d *Gate) askWho(ctx context.Context, peer identity.Peer, a identity.Account, w verification.Who, in report.VerifyWith) (away bool, err error) {
	_, none := d.verify.Key(ctx, a.UUID)
	if none != nil && (!errors.Is(none, verification.ErrNoKey) || !d.cardIsHere(ctx, peer, in)) {
		return false, none //nolint:wrapcheck // it says what it is about
	}
	person, own, err := d.o.Provider.Verifier.FindVerifyPerson(ctx, string(a.Name), w.Name, w.Realm)
	switch {
	case errors.Is(err, provider.ErrOffline) && none != nil:
		return true, none //nolint:wrapcheck // it says what it is about
	case errors.Is(err, provider.ErrOffline):
		return true, nil
	case err != nil:
		return false, err //nolint:wrapcheck // the server's words
	}
	err = d.verify.Learn(ctx, a.UUID, person, own)
	if errors.Is(err, verification.ErrOtherKey) || errors.Is(err, verification.ErrNoKey) {
		if err := d.takeCard(ctx, peer, a, own, in, err); err != nil {
			return false, err
		}
		err = d.verify.Learn(ctx, a.UUID, person, own)
	}
	return false, err //nolint:wrapcheck // it says what it is about
}

func (d *Gate) verifyHeard(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifyHeard
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	w, err := d.who(in.Name, in.About)
	if err != nil {
		return err
	}
	id := e.Account().UUID
	v, is, err := d.verify.Hear(ctx, id, w, in)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if v.Verdict != verify.NoCode {
		event := provider.VerifyFailed
		if v.Verdict == verify.Confirmed {
			event = provider.VerifyConfirmed
		}
		noted := d.verify.Note(ctx, d.o.Provider.Verifier, id, is, event, false)
		v.Unrecorded, v.Late = noted == verification.NotNoted, noted == verification.NotedLater
	}
	return emit(v)
}

// onContact sends what waits for the realm's audit log; see resolver.Options.
func (d *Gate) onContact(began bool) {
	if s := d.o.Provider.Verifier; s != nil && d.verify.Waits(began) {
		go d.verify.SendLate(d.Life(), s)
	}
}

// nameOf finds the present name of an account of the realm.
func nameOf(known accounts) func(uuid.UUID) (identity.Name, error) {
	return func(id uuid.UUID) (identity.Name, error) {
		e := known.Directory().WithUUID(id)
		if e == nil {
			return "", fmt.Errorf("%w: it is no account of the realm", identity.ErrNotFound)
		}
		return e.Account().Name, nil
	}
}
