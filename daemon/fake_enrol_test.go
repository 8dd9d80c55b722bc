package daemon

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// enrolling is what comes once enough is proved for a login, and something is to be
// added or given up: a proof as strong as that, then what is to be confirmed.
func (x *exchange) enrolling() (r provider.Reply, more bool) {
	held := identity.Kinds(x.p.token.Factors)
	for _, k := range []identity.FactorKind{x.a.Enrol, x.a.Remove} {
		if k == identity.PIV && slices.Contains(held, k) && !slices.Contains(x.done, k) && !x.ready {
			return x.offer(k), true
		}
	}
	switch {
	case x.ready:
		return provider.Reply{}, false
	case x.a.Enrol == identity.PIV:
		x.ready = true
		return x.offer(identity.NewPIV), true
	case x.a.Enrol == identity.TOTP:
		x.ready, x.fresh = true, newSecret
		r := x.offer(identity.NewTOTP)
		r.OTPAuth = identity.NewSecret([]byte("otpauth://totp/x?secret=" + newSecret))
		return r, true
	}
	return provider.Reply{}, false
}

// alter does what needs no confirmation.
func (x *exchange) alter() (codes []identity.Secret) {
	if x.a.Enrol == identity.BackupCode {
		x.p.backup = []string{"aaaa-aaaa-aaaa", "bbbb-bbbb-bbbb"}
		x.without(identity.BackupCode, nil)
		x.with(identity.Factor{Kind: identity.BackupCode})
		for _, c := range x.p.backup {
			codes = append(codes, identity.NewSecret([]byte(c)))
		}
	}
	if x.a.Remove != "" {
		x.without(x.a.Remove, x.a.RemoveCard)
	}
	return codes
}

// newCard takes a card by its own signature.
func (x *exchange) newCard(c identity.Secret) bool {
	proof, err := identity.ParseCardProof(c.Reveal())
	challenge := identity.CardChallenge{
		Realm: realm, Machine: x.s.machine, Account: x.p.token.Account.UUID, Service: x.a.Service, Nonce: x.nonce,
	}
	x.nonce = identity.Nonce{}
	if err != nil || proof.Verify(proof.Certificate, challenge) != nil {
		return false
	}
	x.with(identity.Factor{Kind: identity.PIV, Label: "green", Certificate: proof.Certificate})
	return true
}

func (x *exchange) with(f identity.Factor) {
	f.Epoch = uint64(len(x.s.log) + 1)
	x.p.token.Factors = append(slices.Clone(x.p.token.Factors), f)
	x.changed()
}

// without takes a kind of factor away, or one card of it.
func (x *exchange) without(kind identity.FactorKind, card []byte) {
	x.p.token.Factors = slices.DeleteFunc(slices.Clone(x.p.token.Factors), func(f identity.Factor) bool {
		if f.Kind != kind || kind == identity.PIV && !bytes.Equal(identity.CardFingerprint(f.Certificate), card) {
			return false
		}
		if kind == identity.PIV {
			x.p.token.RevokedCards = append(x.p.token.RevokedCards, card)
		}
		return true
	})
	if kind == identity.TOTP {
		x.p.secret, x.p.code = x.fresh, ""
	}
	x.changed()
}

func (x *exchange) changed() {
	x.p.token.Revision = uint64(len(x.s.log) + 1)
	x.s.push(provider.Event{Kind: provider.Changed, Record: x.s.record(nil, x.p)})
}

// maker is a reader in which cards can be made ready. What it is given to keep
// secret it keeps, for the test to see what has become of it.
type maker struct {
	*reader
	fresh *softCard // the card to enrol

	mu       sync.Mutex
	prepared int
	orders   []identity.CardOrder
	secrets  []identity.Secret
	trouble  error         // of the next Prepare or Enrol
	holding  chan struct{} // when set, Prepare says so by closing it, and waits for release
	release  chan struct{}
	prove    func() (string, error) // nil: proved at once
	proved   int
}

func newMaker(fresh *softCard) *maker { return &maker{reader: &reader{}, fresh: fresh} }

func (m *maker) once() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.trouble
	m.trouble = nil
	return err
}

func (m *maker) fails(err error) { m.mu.Lock(); defer m.mu.Unlock(); m.trouble = err }

func (m *maker) Readers(context.Context) ([]identity.CardReader, error) {
	return []identity.CardReader{{Name: "front", Retries: -1}}, nil
}

func (m *maker) List(context.Context) ([]identity.CardReader, error) {
	r := identity.CardReader{Name: "front", Retries: 3}
	for _, c := range []*softCard{m.card, m.fresh} {
		if c != nil {
			r.Certificates = append(r.Certificates, c.der)
		}
	}
	return []identity.CardReader{r}, nil
}

func (m *maker) Prepare(_ context.Context, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardMade, error) {
	m.mu.Lock()
	m.prepared++
	m.orders = append(m.orders, o)
	m.secrets = append(m.secrets, pin, o.ManagementKey)
	holding, release := m.holding, m.release
	m.mu.Unlock()
	if holding != nil {
		close(holding)
		<-release
	}
	if err := m.once(); err != nil {
		return identity.CardMade{}, err
	}
	if o.Others != nil && o.Others(m.fresh.fingerprint()) {
		return identity.CardMade{}, &identity.CardError{Fault: identity.CardWrong, Retries: -1, Err: identity.ErrOthersCard}
	}
	if string(pin.Reveal()) != m.fresh.pin {
		return identity.CardMade{}, &identity.CardError{Fault: identity.CardWrongPIN, Retries: 2}
	}
	touch()
	return identity.CardMade{
		Seen: identity.CardSeen{Fingerprint: m.fresh.fingerprint(), Reader: "front", Retries: 3, Proved: o.Proved}, Certificate: m.fresh.der,
	}, nil
}

func (m *maker) Enrol(_ context.Context, made identity.CardMade, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	m.mu.Lock()
	m.secrets = append(m.secrets, pin)
	m.mu.Unlock()
	if err := m.once(); err != nil {
		return identity.CardProof{}, err
	}
	touch()
	if m.forge {
		c.Service += "!"
	}
	p, err := m.fresh.sign(c)
	p.Certificate = made.Certificate
	return p, err
}

// guardedMaker proves itself to the server first.
type guardedMaker struct{ *maker }

func (m guardedMaker) Prove(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proved++
	if m.prove == nil {
		return "environment", nil
	}
	return m.prove()
}

func (s *server) ChangePassword(ctx context.Context, name identity.Name, _ identity.Origin, old, code, fresh identity.Secret) (provider.Record, error) {
	if err := s.answer(ctx); err != nil {
		return provider.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.people {
		if p.token.Account.Name != name {
			continue
		}
		if string(old.Reveal()) != p.password {
			return provider.Record{}, provider.ErrDenied
		}
		if fresh.Len() < 6 {
			return provider.Record{}, provider.WeakError("That password is too short: at least 6 characters.")
		}
		if _, held := p.token.FactorEpoch(identity.TOTP); held && code.Len() == 0 && !p.codeCounts {
			return provider.Record{}, provider.ErrElsewhere
		} else if held && code.Len() > 0 && !p.rightCode(code, 0, s.now()) {
			return provider.Record{}, provider.ErrDenied
		}
		p.password = string(fresh.Reveal())
		p.token.Factors[0].Epoch++
		p.token.Revision = uint64(len(s.log) + 1)
		r := s.record(nil, p)
		s.push(provider.Event{Kind: provider.Changed, Record: r})
		return r, nil
	}
	return provider.Record{}, provider.ErrNotFound
}
