package auth

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// session is one authentication between two steps. It is in the table only
// while it waits: a step takes it out, and puts it back only to offer the next
// factor. So a step that is repeated, or sent twice at once, finds nothing.
type session struct {
	client              client
	name                identity.Name
	service, remoteHost string
	// purpose is what it is for, where it is no login; the session token says so.
	purpose string
	// origin is where the machine says that the attempt comes from, see identity.Origin.
	origin string
	// offers are the kinds that the next step may be of, and nonce, with a card among
	// them, is for its challenge.
	offers []identity.FactorKind
	nonce  identity.Nonce
	// patience is how long the next step may take, where that is longer than usual.
	patience time.Duration
	proved   []proof
	begun    time.Time // zero: Begin is not part of it
	deadline time.Time
	// usedStep is the newest time step that the machine accepted by itself.
	usedStep int64
	// usedEpoch is of which secret; 0: of any.
	usedEpoch uint64
	// enrol is the factor to make when enough is proved, "" for none; fresh is its
	// secret from then on, and tries counts the answers that did not confirm it.
	enrol identity.FactorKind
	fresh identity.Secret
	tries int
	// remove is the factor to take away then, "" for none, and removeCard which card.
	remove     identity.FactorKind
	removeCard []byte
	// asksNew tells that the machine has a password that is due changed in the same
	// login, and due that one was proved: see passworddue.go.
	asksNew, due bool
	// opaque tells that the realm's passwords may be registered by OPAQUE; plain that this
	// one's is hashed, and registers that it is to be registered at the end. concatenated tells
	// that it stood before a code. See factor_opaque.go.
	opaque, plain, registers, concatenated bool
	// by is a proof by OPAQUE that waits for its last message.
	by *byOPAQUE
	// changes tells that the session is to change the password, and credential is what the
	// new one is registered under.
	changes    bool
	credential []byte
}

// proof is a factor that was proved, and which credential it was.
type proof struct {
	kind    identity.FactorKind
	account uuid.UUID
	epoch   uint64
	card    string // of a card: its fingerprint
}

// proofOf is what proves that factor of the account, as it is now.
func proofOf(account uuid.UUID, f identity.Factor) proof {
	p := proof{kind: f.Kind, account: account, epoch: f.Epoch}
	if len(f.Certificate) > 0 {
		p.card = string(identity.CardFingerprint(f.Certificate))
	}
	return p
}

// methods lists the kinds that were proved, each once.
func (s *session) methods() []identity.FactorKind {
	kinds := make([]identity.FactorKind, 0, len(s.proved))
	for _, p := range s.proved {
		if !slices.Contains(kinds, p.kind) {
			kinds = append(kinds, p.kind)
		}
	}
	return kinds
}

// Limits of the session table.
const (
	stepTimeout        = 2 * time.Minute
	enrolTimeout       = 10 * time.Minute
	sessionsPerMachine = 4096
)

type sessions struct {
	timeout time.Duration
	limit   int

	mu    sync.Mutex
	m     map[string]*session
	count map[uuid.UUID]int
	stale []*session // dropped to make room, and not yet handed out by purge
}

func newSessions(timeout time.Duration, limit int) *sessions {
	return &sessions{timeout: timeout, limit: limit, m: make(map[string]*session), count: make(map[uuid.UUID]int)}
}

// put lets s wait for its next step and returns the cookie for it, a new one
// each time.
func (t *sessions) put(s *session, now time.Time) (string, error) {
	cookie := rand.Text()
	s.deadline = now.Add(max(t.timeout, s.patience))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[s.client.id] >= t.limit {
		t.purgeLocked(now)
	}
	if t.count[s.client.id] >= t.limit {
		return "", realm.ErrTooMany
	}
	t.m[cookie] = s
	t.count[s.client.id]++
	return cookie, nil
}

// take ends the wait of the session with that cookie, if it is that client's
// and not too late. Another client's attempt leaves it where it is.
func (t *sessions) take(cookie string, c client, now time.Time) (*session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.m[cookie]
	if !ok || !s.client.is(c) {
		return nil, false
	}
	t.dropLocked(cookie, s)
	s.client = c // as it is now
	return s, now.Before(s.deadline)
}

// purge drops sessions that nobody went on with and returns them, each once.
func (t *sessions) purge(now time.Time) []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purgeLocked(now)
	stale := t.stale
	t.stale = nil
	return stale
}

func (t *sessions) purgeLocked(now time.Time) {
	for cookie, s := range t.m {
		if !now.Before(s.deadline) {
			t.dropLocked(cookie, s)
			t.stale = append(t.stale, s)
		}
	}
}

func (t *sessions) dropLocked(cookie string, s *session) {
	delete(t.m, cookie)
	if t.count[s.client.id]--; t.count[s.client.id] == 0 {
		delete(t.count, s.client.id)
	}
}
