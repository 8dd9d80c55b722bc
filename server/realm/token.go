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
// be correct.
type tokenCache struct {
	mu sync.Mutex
	m  map[tokenFor]cachedToken
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

const maxCachedTokens = 50_000

func newTokenCache() *tokenCache { return &tokenCache{m: make(map[tokenFor]cachedToken)} }

func (c *tokenCache) get(of tokenFor, revision uint64, key string, now time.Time) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.m[of]
	age := now.Sub(t.made)
	return t.signed, ok && t.revision == revision && t.key == key && age >= 0 && age < tokenLife
}

func (c *tokenCache) put(of tokenFor, t cachedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxCachedTokens {
		clear(c.m)
	}
	c.m[of] = t
}

// IDToken returns the signed ID token of the account as the transaction sees it, in the
// form that the caller understands.
func (r *Realm) IDToken(ctx context.Context, tx *store.Tx, a store.Account) ([]byte, error) {
	now := r.Now()
	key, err := r.signing(tx)
	if err != nil {
		return nil, err
	}
	h, err := r.historyFor(ctx, tx)
	if err != nil {
		return nil, err
	}
	of := tokenFor{a.UUID, h}
	if signed, ok := r.tokens.get(of, a.Revision, key.ID, now); ok {
		return signed, nil
	}
	signed, err := r.sign(tx, a, of.history, key, now)
	if err != nil {
		return nil, err
	}
	r.tokens.put(of, cachedToken{a.Revision, key.ID, now, signed})
	return signed, nil
}

// historyFor is what a token for this caller says of the history; uuid.Nil when the
// caller would not understand it. No token is made of an older copy of the database.
func (r *Realm) historyFor(ctx context.Context, tx *store.Tx) (uuid.UUID, error) {
	h, term, err := tx.Term()
	if err != nil {
		return uuid.Nil, fmt.Errorf("history: %w", err)
	}
	if term < r.terms.highest() {
		return uuid.Nil, older()
	}
	if CallerOf(ctx).Forms < formsHistory {
		return uuid.Nil, nil
	}
	return h, nil
}

// errTokenFull says that an account holds more than its token can say.
const errTokenFull = RefusalError("The account holds too much to describe. Nothing was changed; ask your administrator.")

// FreshToken is IDToken of a revision that this transaction made, which may still
// come to nothing: so it is not kept. What would be too long is refused.
func (r *Realm) FreshToken(ctx context.Context, tx *store.Tx, a store.Account) ([]byte, error) {
	h, err := r.historyFor(ctx, tx)
	if err != nil {
		return nil, err
	}
	key, err := r.signing(tx)
	if err != nil {
		return nil, err
	}
	signed, err := r.sign(tx, a, h, key, r.Now())
	if err == nil && len(signed) > identity.MaxTokenLen {
		err = errTokenFull
	}
	return signed, err
}

func (r *Realm) sign(tx *store.Tx, a store.Account, history uuid.UUID, key *SigningKey, now time.Time) ([]byte, error) {
	t, err := r.Claims(tx, a)
	if err != nil {
		return nil, err
	}
	t.IssuedAt, t.History = now.Unix(), history
	signed, err := key.signer.SignIDToken(t)
	if err != nil {
		return nil, fmt.Errorf("token of %s: %w", a.Name, err)
	}
	return signed, nil
}

// Claims gathers all that the token says, but for the time it is issued.
func (r *Realm) Claims(tx *store.Tx, a store.Account) (*identity.IDToken, error) {
	t := &identity.IDToken{
		Realm: r.Name, Account: a.Account, State: a.State,
		ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil, OfflineFor: r.OfflineFor, Revision: a.Revision,
	}
	var err error
	if t.Groups, err = tx.GroupsOf(a); err != nil {
		return nil, err
	}
	if t.SSHKeys, err = tx.SSHKeys(a.UUID); err != nil {
		return nil, err
	}
	if t.Factors, err = tx.Factors(a.UUID); err != nil {
		return nil, err
	}
	if t.RevokedCards, err = tx.RevokedCards(a.UUID); err != nil {
		return nil, err
	}
	t.Points, err = tx.Points()
	return t, err
}
