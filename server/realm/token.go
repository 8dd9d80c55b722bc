package realm

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// tokenLife is how long a signed ID token is handed out again; after that it is
// signed afresh, so that its IssuedAt stays near.
const tokenLife = 10 * time.Minute

// tokenCache keeps signed ID tokens. A token is used only for the revision and
// the key that it was made for, so nothing needs to be dropped from the cache to
// be correct. What was not put there since the cache was half full goes first.
type tokenCache struct {
	mu       sync.Mutex
	new, old map[tokenFor]cachedToken
	bytes    int // of new
	maxBytes int
}

// tokenFor is what a token is kept under: machines of the last release get another form.
type tokenFor struct {
	account uuid.UUID
	history uuid.UUID
}

type cachedToken struct {
	revision uint64
	key      string
	made     time.Time
	signed   []byte
}

const (
	// maxCachedBytes is for the tokens of some 200,000 accounts, so that a realm of that
	// size signs once and not for each machine that lists it.
	maxCachedBytes = 128 << 20
	// overCached is about what a token takes beside its own bytes.
	overCached = 200
)

func newTokenCache() *tokenCache {
	return &tokenCache{new: make(map[tokenFor]cachedToken), maxBytes: maxCachedBytes}
}

func (c *tokenCache) get(of tokenFor, revision uint64, key string, now time.Time) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.new[of]
	if !ok {
		t, ok = c.old[of]
	}
	age := now.Sub(t.made)
	return t.signed, ok && t.revision == revision && t.key == key && age >= 0 && age < tokenLife
}

func (c *tokenCache) put(of tokenFor, t cachedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.new[of]; ok {
		c.bytes -= len(was.signed) + overCached
	}
	size := len(t.signed) + overCached
	if c.bytes+size > c.maxBytes/2 {
		c.new, c.old, c.bytes = make(map[tokenFor]cachedToken), c.new, 0
	}
	c.new[of] = t
	c.bytes += size
}

// Tokens gives out ID tokens as one transaction sees them, in the form that one caller
// understands. What they have in common was read once.
type Tokens struct {
	realm   *Realm
	tx      *store.Tx
	key     *SigningKey
	history uuid.UUID
	now     time.Time
}

// Tokens begins to give out ID tokens.
func (r *Realm) Tokens(ctx context.Context, tx *store.Tx) (*Tokens, error) {
	c, err := tx.Common()
	if err != nil {
		return nil, err
	}
	return r.tokensBy(ctx, tx, c.Signs)
}

func (r *Realm) tokensBy(ctx context.Context, tx *store.Tx, s store.Signs) (*Tokens, error) {
	key, err := r.signingBy(tx, s)
	if err != nil {
		return nil, err
	}
	h, err := r.historyFor(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Tokens{r, tx, key, h, r.Now()}, nil
}

// Of returns the account's token, which may be one that was signed before.
func (t *Tokens) Of(a store.Account) ([]byte, error) {
	if signed, ok := t.kept(a); ok {
		return signed, nil
	}
	p, err := t.tx.PersonOf(a.UUID)
	if err != nil {
		return nil, err
	}
	return t.of(&p)
}

// kept is a token that was signed before, if there is one of this revision.
func (t *Tokens) kept(a store.Account) ([]byte, bool) {
	return t.realm.tokens.get(tokenFor{a.UUID, t.history}, a.Revision, t.key.ID, t.now)
}

// of is Of for somebody of whom everything was read.
func (t *Tokens) of(p *store.Person) ([]byte, error) {
	if signed, ok := t.kept(p.Account); ok {
		return signed, nil
	}
	signed, err := t.sign(p)
	if err != nil {
		return nil, err
	}
	t.realm.tokens.put(tokenFor{p.Account.UUID, t.history}, cachedToken{p.Account.Revision, t.key.ID, t.now, signed})
	return signed, nil
}

// IDToken is Tokens for one account.
func (r *Realm) IDToken(ctx context.Context, tx *store.Tx, a store.Account) ([]byte, error) {
	t, err := r.Tokens(ctx, tx)
	if err != nil {
		return nil, err
	}
	return t.Of(a)
}

// KeptToken is an IDToken that was signed before, if it is still what would be signed now.
func (r *Realm) KeptToken(ctx context.Context, a store.Account, s store.Signs) ([]byte, bool) {
	if r.reader != nil { // whose key is not the database's
		return nil, false
	}
	t, err := r.tokensBy(ctx, nil, s)
	if err != nil { // which IDToken tells
		return nil, false
	}
	return t.kept(a)
}

// TokenOf is IDToken for somebody of whom everything was read; fresh: it is FreshToken.
func (r *Realm) TokenOf(ctx context.Context, tx *store.Tx, p *store.Person, fresh bool) ([]byte, error) {
	t, err := r.tokensBy(ctx, tx, p.Signs)
	if err != nil {
		return nil, err
	}
	if fresh {
		return t.fresh(p)
	}
	return t.of(p)
}

// historyFor is what a token for this caller says of the history; uuid.Nil when the
// caller would not understand it. No token is made of an older copy of the database.
func (r *Realm) historyFor(ctx context.Context, s store.Signs) (uuid.UUID, error) {
	if s.Term < r.terms.highest() {
		return uuid.Nil, older()
	}
	if CallerOf(ctx).Forms < formsHistory {
		return uuid.Nil, nil
	}
	return s.History, nil
}

// errTokenFull says that an account holds more than its token can say.
const errTokenFull = RefusalError("The account holds too much to describe. Nothing was changed; ask your administrator.")

// FreshToken is IDToken of a revision that this transaction made, which may still
// come to nothing: so it is not kept. What would be too long is refused.
func (r *Realm) FreshToken(ctx context.Context, tx *store.Tx, a store.Account) ([]byte, error) {
	p, err := tx.PersonOf(a.UUID)
	if err != nil {
		return nil, err
	}
	return r.TokenOf(ctx, tx, &p, true)
}

func (t *Tokens) fresh(p *store.Person) ([]byte, error) {
	signed, err := t.sign(p)
	if err == nil && len(signed) > identity.MaxTokenLen {
		err = errTokenFull
	}
	return signed, err
}

func (t *Tokens) sign(p *store.Person) ([]byte, error) {
	c, err := t.realm.claims(p)
	if err != nil {
		return nil, err
	}
	c.IssuedAt, c.History = t.now.Unix(), t.history
	signed, err := t.key.signer.SignIDToken(c)
	if err != nil {
		return nil, fmt.Errorf("token of %s: %w", p.Account.Name, err)
	}
	return signed, nil
}

// Claims gathers all that the token says, but for the time it is issued.
func (r *Realm) Claims(tx *store.Tx, a store.Account) (*identity.IDToken, error) {
	p, err := tx.PersonOf(a.UUID)
	if err != nil {
		return nil, err
	}
	return r.claims(&p)
}

func (r *Realm) claims(p *store.Person) (*identity.IDToken, error) {
	if !p.Known {
		return nil, fmt.Errorf("token: %w", identity.ErrNotFound)
	}
	a := p.Account
	return &identity.IDToken{
		Realm: r.Name, Account: a.Account, State: a.State,
		ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil, OfflineFor: r.OfflineFor, Revision: a.Revision, Points: p.Points,
		Groups: p.Groups, SSHKeys: p.SSHKeys, Factors: p.Factors(), RevokedCards: p.RevokedCards(),
	}, nil
}
