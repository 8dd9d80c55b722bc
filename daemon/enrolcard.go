package daemon

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// A card is enrolled in two requests after the proof: one makes it ready, which may
// take as long as a key takes to be made, and one lets it sign. What goes wrong with
// the card itself ends neither: the handle leads on, and the person tries again.

// How long a certificate that a card signs itself is valid.
const (
	certificateDays    = 3653
	maxCertificateDays = 36525
)

// notAtReader is said to whoever asks from elsewhere.
const notAtReader = "A card is used only where its owner sits: in a session on this machine's own screen or console. Run this there."

// mayEnrolCard tells whether the person who asks sits at the reader.
func (d *Gate) mayEnrolCard(peer identity.Peer, session string) bool {
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return true // refused later, with its own reason
	}
	s := &login{d: d, q: checks.Question{Entry: e}, Login: identity.Login{Peer: peer, LogindSession: session}}
	return s.atReader()
}

// enrolPIV begins to add a card.
func (d *Gate) enrolPIV(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.EnrolArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	switch {
	case !d.mayEnrolCard(peer, a.LogindSession):
		return fmt.Errorf("%w. %s", errEnrol, notAtReader)
	case d.reader.Enroller() == nil:
		return fmt.Errorf("%w: this machine uses no cards: see [cards] in its configuration", errEnrol)
	}
	proved, err := d.reader.Prove(ctx)
	if err != nil {
		return fmt.Errorf("%w. %s", errEnrol, cards.Text(err))
	}
	return d.enrolBegin(ctx, peer, a, wish{enrol: identity.PIV, proved: proved}, emit)
}

// othersCards tells of a certificate whether it is, or was, enrolled for another account
// of any realm that this machine asks.
func (d *Gate) othersCards(ctx context.Context, mine *directory.Entry) (func(fingerprint []byte) bool, error) {
	taken := map[string]bool{}
	for _, r := range d.o.AllRealms() {
		for _, p := range r.Directory().All() {
			e := p.Entry()
			if _, has := e.Epoch(identity.PIV); !has || e.Account().UUID == mine.Account().UUID {
				continue
			}
			t, err := r.SignedToken(ctx, e)
			if err != nil {
				return nil, fmt.Errorf("%w: whose the card is cannot be told: %w", errEnrol, err)
			}
			for _, f := range t.Factors {
				if f.Kind == identity.PIV {
					taken[string(identity.CardFingerprint(f.Certificate))] = true
				}
			}
			for _, f := range t.RevokedCards {
				taken[string(f)] = true
			}
		}
	}
	return func(f []byte) bool { return taken[string(f)] }, nil
}

// enrolCard makes the card ready.
func (d *Gate) enrolCard(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.CardArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	e, err := d.enrolmentOf(peer, a.Handle)
	if err != nil {
		return err
	}
	o, err := d.orderOf(e, a)
	if err == nil {
		o.Others, err = d.othersCards(ctx, e.login.q.Entry)
	}
	if err != nil {
		d.enrolling.again(a.Handle, e, d.o.Now())
		return err
	}
	defer o.ManagementKey.Wipe()
	pin := identity.NewSecret([]byte(a.PIN))
	defer pin.Wipe()
	made, err := countPIN(ctx, d, e.login.q.Entry.Account().UUID, e.login.Origin(), func() (identity.CardMade, error) {
		return d.reader.Enroller().Prepare(ctx, o, pin, func() { _ = emit(report.CardMade{Touch: true}) }) //nolint:wrapcheck // a card's fault
	})
	if err != nil {
		d.log.InfoContext(ctx, "no card is enrolled", "account", e.login.q.Entry.Account().Name, "reason", err)
		d.enrolling.again(a.Handle, e, d.o.Now())
		return emit(cards.Trouble(err))
	}
	e.made = &made
	c, err := cards.Describe(made.Certificate)
	if err != nil {
		return fmt.Errorf("%w: %w", errEnrol, err)
	}
	c.Reader = identity.Printable(made.Seen.Reader)
	d.enrolling.again(a.Handle, e, d.o.Now())
	return emit(report.CardMade{Card: &c, Attested: len(made.Attestation) > 0, FactoryKey: made.FactoryKey})
}

// enrolmentOf takes the enrolment of a card out of its wait.
func (d *Gate) enrolmentOf(peer identity.Peer, handle string) (*enrolment, error) {
	e, ok := d.enrolling.take(handle, peer.UID, d.o.Now())
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: it took too long, or another enrolment began. Start again", errEnrol)
	case e.wish.enrol != identity.PIV || d.reader.Enroller() == nil:
		return nil, fmt.Errorf("%w: what is under way is no enrolment of a card", report.ErrVerb)
	default:
		return e, nil
	}
}

func (d *Gate) orderOf(e *enrolment, a report.CardArgs) (identity.CardOrder, error) {
	account := e.login.q.Entry.Account()
	days := cmp.Or(a.ValidDays, certificateDays)
	label := cmp.Or(a.Label, string(account.Name.Short())+"@"+d.o.Realm)
	if err := identity.CheckText(label, identity.MaxText); err != nil {
		return identity.CardOrder{}, fmt.Errorf("%w: label: %w", report.ErrVerb, err)
	}
	if days < 1 || days > maxCertificateDays {
		return identity.CardOrder{}, fmt.Errorf("%w: a certificate is valid for 1 to %d days", report.ErrVerb, maxCertificateDays)
	}
	key := identity.CardKey(cmp.Or(a.Key, string(identity.CardP256)))
	if !slices.Contains([]identity.CardKey{identity.CardRSA2048, identity.CardP256, identity.CardP384, identity.CardEd25519}, key) {
		return identity.CardOrder{}, fmt.Errorf("%w: a key is of \"rsa2048\", \"p256\", \"p384\" or \"ed25519\"", report.ErrVerb)
	}
	management, err := hex.DecodeString(a.ManagementKey)
	if err != nil || len(management) != 0 && len(management) != 16 && len(management) != 24 && len(management) != 32 {
		return identity.CardOrder{}, fmt.Errorf("%w: a management key is 32, 48 or 64 hexadecimal digits", report.ErrVerb)
	}
	return identity.CardOrder{
		Reader: a.Reader, Generate: a.Generate, Force: a.Force, Key: key, Touch: a.Touch, Subject: label,
		Valid: time.Duration(days) * 24 * time.Hour, ManagementKey: identity.NewSecret(management), Proved: e.wish.proved,
	}, nil
}

// enrolCardDone lets the card sign, and the server judge it.
func (d *Gate) enrolCardDone(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.ConfirmArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	e, err := d.enrolmentOf(peer, a.Handle)
	if err != nil {
		return err
	}
	if e.made == nil {
		d.enrolling.again(a.Handle, e, d.o.Now())
		return fmt.Errorf("%w: the card has not been made ready", report.ErrVerb)
	}
	pin := identity.NewSecret([]byte(a.PIN))
	defer pin.Wipe()
	proof, err := countPIN(ctx, d, e.login.q.Entry.Account().UUID, e.login.Origin(), func() (identity.CardProof, error) {
		return d.reader.Enroller().Enrol(ctx, *e.made, pin, e.login.challenge(e.nonce), func() { _ = emit(report.Enrolled{Touch: true}) }) //nolint:wrapcheck // the same
	})
	if err != nil {
		d.log.InfoContext(ctx, "no card is enrolled", "account", e.login.q.Entry.Account().Name, "reason", err)
		d.enrolling.again(a.Handle, e, d.o.Now())
		return emit(report.Enrolled{Message: cards.Text(err)})
	}
	credential, err := proof.Encode()
	if err != nil {
		return fmt.Errorf("%w: %w", errEnrol, err)
	}
	r, err := e.login.send(ctx, e.exchange, provider.Answer{Kind: identity.NewPIV, Credential: credential})
	if err != nil {
		d.Note(resolver.Failed, err)
		return fmt.Errorf("%w, or it is not known whether: the server gave no answer. \"sallyport card\" shows whether the card is yours", errEnrol)
	}
	d.Note(resolver.Answered, nil)
	if r.Outcome != provider.Allow {
		return refusedEnrolment(cmp.Or(identity.Printable(r.Message), "The server did not take the card."))
	}
	return d.enrolled(ctx, e, r, emit)
}

// onlyCard is the account's card, by its fingerprint, if it has just one.
func (s *login) onlyCard(ctx context.Context) ([]byte, error) {
	t, err := s.d.SignedToken(ctx, s.q.Entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEnrol, err)
	}
	var cards []string
	var only []byte
	for _, f := range t.Factors {
		if f.Kind == identity.PIV {
			only = identity.CardFingerprint(f.Certificate)
			cards = append(cards, fmt.Sprintf("%x (%s)", only, identity.Printable(f.Label)))
		}
	}
	switch len(cards) {
	case 0:
		return nil, fmt.Errorf("%w: the account has no card", errEnrol)
	case 1:
		return only, nil
	default:
		return nil, fmt.Errorf("%w: the account has several cards. Say which: %s", errEnrol, strings.Join(cards, ", "))
	}
}

func (s *login) challenge(nonce identity.Nonce) identity.CardChallenge {
	return identity.CardChallenge{Realm: s.d.o.Realm, Machine: s.d.o.Machine, Account: s.q.Entry.Account().UUID, Service: s.Service, Nonce: nonce}
}

// handleCards shows what is in the readers, and what of it is the asker's.
func (d *Gate) handleCards(ctx context.Context, peer identity.Peer, _ []byte, emit func(any) error) error {
	e := d.Directory().WithUID(peer.UID)
	if e == nil && peer.UID != 0 {
		return fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	if d.reader.Enroller() == nil {
		return errors.New("this machine uses no cards: see [cards] in its configuration")
	}
	var live, revoked [][]byte
	if e != nil {
		t, err := d.SignedToken(ctx, e)
		if err != nil {
			return err
		}
		revoked = t.RevokedCards
		for _, f := range t.Factors {
			if f.Kind == identity.PIV {
				live = append(live, identity.CardFingerprint(f.Certificate))
			}
		}
	}
	list, err := d.reader.Enroller().List(ctx)
	if err != nil {
		return errors.New(cards.Text(err))
	}
	answer := report.Cards{Readers: []report.Reader{}}
	for _, r := range list {
		answer.Readers = append(answer.Readers, cards.DescribeReader(r, live, revoked))
	}
	return emit(answer)
}
