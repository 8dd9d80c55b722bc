package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// The key to verify people with may be on a card of the account, in slot 9D. Then it goes to
// every machine:
//
//	the key that is known here    the realm's           the account's card in a reader    a call
//	on the card                   the same              has it                            by the card
//	none, or another              any                   has the realm's                   by the card; it is known here from then on
//	none                          any                   has none, or there is none        none: the key is elsewhere, or there is none
//	of this machine               another               has not the realm's               none: the key is another
//
// A card is told its PIN under the rules of a login (cardlogin.go): it is one of the account's, its
// owner sits at the reader, and wrong PINs are counted.

var (
	errNoCards = errors.New("this machine uses no cards: see [cards] in its configuration")
	errNotHere = errors.New("the card is not asked")
	// errNoPIN says that nothing was tried without the PIN.
	errNoPIN = errors.New("the PIN of the card is needed")
)

// verifyValid is how long the certificate beside a key in slot 9D is valid. Nobody judges it.
const verifyValid = certificateDays * 24 * time.Hour

// cardFor finds the account's card whose key in slot 9D has that public half, or with nil any of the
// account's, and whose PIN may be typed. Whoever gets it calls forgetProof in the end.
func (d *Gate) cardFor(ctx context.Context, peer identity.Peer, a report.EnrolArgs, public []byte) (*login, error) {
	s, err := d.proving(ctx, peer, a, "sallyport verify")
	if err != nil {
		return nil, err
	}
	s.card.agreement = public
	switch {
	case !d.reader.Agrees():
		err = errNoCards
	case !s.atReader():
		err = fmt.Errorf("%w. %s", errNotHere, notAtReader)
	case !s.findCard(ctx):
		err = errors.New(cards.Text(s.card.fault))
	default:
		return s, nil
	}
	s.forgetProof()
	return nil, err
}

// keyOnCard is the key in slot 9D of the account's card, which is made where there is none.
func (d *Gate) keyOnCard(ctx context.Context, peer identity.Peer, a report.EnrolArgs) (made identity.CardAgreement, err error) {
	if a.PIN == "" {
		return made, errNoPIN
	}
	s, err := d.cardFor(ctx, peer, a, nil)
	if err != nil {
		return made, err
	}
	defer s.forgetProof()
	account := s.q.Entry.Account()
	o := identity.CardOrder{Subject: string(account.Name.Short()) + "@" + d.o.Realm, Valid: verifyValid}
	pin := identity.NewSecret(bytes.Clone(s.card.pin.Reveal()))
	made, err = countPIN(ctx, d, account.UUID, s.Origin(), func() (identity.CardAgreement, error) {
		return d.reader.PrepareAgreement(ctx, s.card.seen, o, pin, func() {})
	})
	return made, s.cardWords(ctx, err)
}

// cardWords is what a person is told of a card's fault.
func (s *login) cardWords(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s.d.log.InfoContext(ctx, "no card is used", "account", s.q.Entry.Account().Name, "reason", err)
	return errors.New(cards.Text(err))
}

// sayByCard is verification.Desk.Say where the account's key is on a card: the card is asked once
// the PIN is there.
func (d *Gate) sayByCard(ctx context.Context, peer identity.Peer, a identity.Account, w verification.Who, in report.VerifyWith,
	call report.VerifyCall, is verification.Person, emit func(any) error,
) (report.VerifyCall, verification.Person, error) {
	k, err := d.verify.Key(ctx, a.UUID)
	if err != nil {
		return call, is, err //nolint:wrapcheck // it says what it is about
	}
	s, err := d.cardFor(ctx, peer, report.EnrolArgs{PIN: in.PIN, LogindSession: in.LogindSession}, k.Public)
	if err != nil {
		return call, is, err
	}
	defer s.forgetProof()
	if in.PIN == "" {
		return call, is, nil
	}
	touch, end := whileAsked(func() { _ = emit(report.VerifyCall{Touch: true}) })
	defer end()
	err = d.verify.BeginByCard(ctx, a.UUID, w, func(own, theirs []byte) (identity.Secret, error) {
		pin := identity.NewSecret(bytes.Clone(s.card.pin.Reveal()))
		return countPIN(ctx, d, a.UUID, s.Origin(), func() (identity.Secret, error) {
			return d.reader.Agree(ctx, s.card.seen, pin, own, theirs, touch)
		})
	})
	var fault *identity.CardError
	switch {
	case errors.As(err, &fault):
		return call, is, s.cardWords(ctx, err)
	case err != nil:
		return call, is, err //nolint:wrapcheck // it says what it is about
	}
	return d.verify.Say(ctx, a.UUID, w) //nolint:wrapcheck // likewise
}

// cardIsHere tells whether a card of the account is in a reader.
func (d *Gate) cardIsHere(ctx context.Context, peer identity.Peer, in report.VerifyWith) bool {
	s, err := d.cardFor(ctx, peer, report.EnrolArgs{LogindSession: in.LogindSession}, nil)
	if err == nil {
		s.forgetProof()
	}
	return err == nil
}

// takeCard remembers that the realm's key of the account is on the card that is here. not says
// why the key that is known here is not it.
func (d *Gate) takeCard(ctx context.Context, peer identity.Peer, a identity.Account, own provider.VerifyPerson, in report.VerifyWith, not error) error {
	none := errors.Is(not, verification.ErrNoKey)
	if none {
		not = verification.ErrElsewhere
	}
	if own.ID != a.UUID || len(own.Public) == 0 {
		return not
	}
	s, err := d.cardFor(ctx, peer, report.EnrolArgs{LogindSession: in.LogindSession}, own.Public)
	switch {
	case err != nil && none: // a card of theirs is here
		return fmt.Errorf("%w. %w", not, err)
	case err != nil:
		return not
	}
	s.forgetProof()
	return d.verify.Keep(ctx, a.UUID, cache.VerifyKey{Public: own.Public, Made: own.Made, Partners: own.Partners}) //nolint:wrapcheck // it says what it is about
}
