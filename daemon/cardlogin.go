package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
)

// A card at the door. The person must be at the reader (package cards): none is asked for
// elsewhere, nor where the policy of the service says so, and only when one of the
// account's is seen. What goes wrong leaves the other factors. A card's last try is never
// used: whoever types cannot block a card.
//
//	what happens                          then
//	no reader, no card, none of PIV       the other factors, without a word
//	another's card, an expired one, …     the reason is told, then the other factors
//	one try left                          the same
//	too many wrong PINs from that origin  the same, see pintries.go
//	an empty line for the PIN             another way
//	a wrong PIN, more than one try left   it is told, and the PIN asked for again
//	a wrong PIN, one try left             it is told, then the other factors
//	removed, not touched, busy            it is told, then the other factors
//	no way is left                        Denied, with the reason

// atReader is what one attempt knows of the card. The zero value knows nothing.
type atReader struct {
	seen   identity.CardSeen
	factor identity.Factor // whose card it is, with its certificate
	pin    identity.Secret
	fault  error // why no card can be asked for; nil while one can
	told   bool  // the person knows
	looked bool
	reason bool // is the last line that was said
	// agreement is the public half that its key in slot 9D must have; nil: any, or none.
	agreement []byte
	// challenge is the last one that was signed.
	challenge identity.CardChallenge
}

// labelRoom is how long a label may be, in letters: an entry of a greeter shows 28 of a prompt.
const labelRoom = 20

// prompt names the card, so that its owner sees which PIN is meant.
func (c *atReader) prompt() string {
	label := []rune(identity.Printable(c.factor.Label))
	switch {
	case len(label) == 0:
		return "PIN: "
	case len(label) > labelRoom:
		label = append(label[:labelRoom-1], '…')
	}
	return "PIN (" + string(label) + "): "
}

// forget wipes the PIN.
func (c *atReader) forget() {
	c.pin.Wipe()
	c.pin = identity.Secret{}
}

// mayUseCard tells whether a card may be asked for at all, and none has failed.
func (s *login) mayUseCard() bool {
	return s.d.reader.Exists() && s.atReader() && !s.d.p.Services[s.Service].NoCards && s.card.fault == nil
}

// findCard looks for a card of the account, once in an attempt.
func (s *login) findCard(ctx context.Context) bool {
	c := &s.card
	if c.looked {
		return c.fault == nil
	}
	c.looked = true
	t, err := s.d.SignedToken(ctx, s.q.Entry)
	if err != nil {
		s.d.log.WarnContext(ctx, "the account's cards cannot be told", "account", s.q.Entry.Account().Name, "error", err)
		c.fault = &identity.CardError{Retries: -1, Err: err}
		return false
	}
	wanted := identity.CardsWanted{Revoked: t.RevokedCards, Agreement: c.agreement}
	for _, f := range t.Factors {
		if f.Kind == identity.PIV {
			wanted.Live = append(wanted.Live, identity.CardFingerprint(f.Certificate))
		}
	}
	c.seen, err = s.d.reader.Find(ctx, wanted)
	if err == nil {
		c.factor, err = cards.Fits(t, c.seen, s.d.Clock().Now())
	}
	if err == nil {
		err = s.d.mayTypePIN(ctx, s.q.Entry.Account().UUID, s.Origin())
	}
	if err != nil {
		s.cardFault(ctx, err)
	}
	return c.fault == nil
}

// cardFault gives the card up for this attempt. What a person could not have
// expected to work is not worth a word while there are other factors.
func (s *login) cardFault(ctx context.Context, err error) {
	s.card.forget()
	s.card.fault = err
	s.d.log.InfoContext(ctx, "no card is used", "account", s.q.Entry.Account().Name, "reason", err)
	var e *identity.CardError
	if errors.As(err, &e) {
		switch e.Fault {
		case identity.CardNoService, identity.CardNoReader, identity.CardNone, identity.CardNotPIV:
			return
		default:
		}
	}
	detail, mend := cards.Words(err)
	s.tellCard(ctx, checks.Ruling{Detail: detail, Mend: mend})
	s.card.told = true
}

// tellCard says something about the card. Whether the person is still there shows
// at the next prompt.
func (s *login) tellCard(ctx context.Context, r checks.Ruling) {
	s.card.reason = true
	if err := s.conv.Tell(ctx, identity.TellError, r.Text()); err != nil {
		s.d.log.DebugContext(ctx, "nobody to tell", "error", err)
	}
}

// signed is the card's answer to the nonce. A ruling that is to be told ends the
// attempt; any other refusal leaves the factors that are left.
func (s *login) signed(ctx context.Context, nonce identity.Nonce) (identity.Secret, checks.Ruling) {
	s.card.challenge = s.challenge(nonce)
	proof, err := s.sign(ctx, s.card.challenge)
	if err != nil {
		return identity.Secret{}, s.notSigned(ctx, err)
	}
	credential, err := proof.Encode()
	if err != nil {
		return identity.Secret{}, s.notSigned(ctx, err)
	}
	return credential, checks.Fine("")
}

// sign lets the card sign. The card service gets a copy of the PIN: when it is given
// up it may still run while the caller wipes what was typed.
func (s *login) sign(ctx context.Context, c identity.CardChallenge) (identity.CardProof, error) {
	pin := identity.NewSecret(bytes.Clone(s.card.pin.Reveal()))
	seen := s.card.seen
	touch, end := whileAsked(func() { s.tellTouch(ctx) })
	defer end()
	return countPIN(ctx, s.d, s.q.Entry.Account().UUID, s.Origin(), func() (identity.CardProof, error) {
		return s.d.reader.Sign(ctx, seen, pin, c, touch)
	})
}

// whileAsked is f until end is called: the card service may still run when it is given up.
func whileAsked(f func()) (call, end func()) {
	var mu sync.Mutex
	given := false // up
	call = func() {
		mu.Lock()
		defer mu.Unlock()
		if !given {
			f()
		}
	}
	return call, func() { mu.Lock(); given = true; mu.Unlock() }
}

func (s *login) tellTouch(ctx context.Context) {
	if err := s.conv.Tell(ctx, identity.TellInfo, "Touch your card."); err != nil {
		s.d.log.DebugContext(ctx, "nobody to tell", "error", err)
	}
}

// notSigned says why. The PIN may be typed again while the card bears more than one wrong one. A
// locker begins anew by itself: some answer each prompt alike, and would send a wrong PIN twice.
func (s *login) notSigned(ctx context.Context, err error) checks.Ruling {
	e := new(identity.CardError)
	wrong := errors.As(err, &e) && e.Fault == identity.CardWrongPIN
	detail, _ := cards.Words(err)
	switch {
	case wrong && s.Peer.UID != 0:
		return checks.Ruling{Code: identity.Denied, Tell: true, Detail: detail}
	case !wrong || e.Retries <= 1:
		s.cardFault(ctx, err)
	default:
		s.card.forget()
		s.card.seen.Retries = e.Retries
		s.tellCard(ctx, checks.Ruling{Detail: detail})
	}
	return checks.Ruling{}
}

// newNonce is for a challenge that this machine checks itself.
func (d *Gate) newNonce() identity.Nonce {
	n := identity.Nonce{Time: d.Clock().Now().Unix()}
	_, _ = rand.Read(n.Value[:]) // never fails, see crypto/rand
	return n
}
