package proofs

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Tokens are the newest session tokens of accounts that signed in at this machine by the
// server: by them the server knows who asks it for something.
type Tokens struct {
	mu   sync.Mutex
	kept map[uuid.UUID]token
}

type token struct {
	signed []byte
	at     int64
	until  time.Time
}

// maxTokens bounds the accounts whose tokens are kept; beyond it the oldest goes.
const maxTokens = 4096

// leastLife is shorter than any login's. A token with less is for a change of a password
// that is due.
const leastLife = time.Hour

// Keep remembers a token of a login; one that was for something else is not kept.
func (t *Tokens) Keep(s *identity.SessionToken, signed []byte) {
	if s == nil || s.Purpose != "" || len(signed) == 0 || s.ExpiresAt-s.AuthenticatedAt < int64(leastLife/time.Second) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil {
		t.kept = make(map[uuid.UUID]token)
	}
	if old, has := t.kept[s.Account]; has && old.at > s.AuthenticatedAt {
		return
	}
	t.kept[s.Account] = token{slices.Clone(signed), s.AuthenticatedAt, time.Unix(s.ExpiresAt, 0)}
	if len(t.kept) > maxTokens {
		oldest := s.Account
		for id, o := range t.kept {
			if o.at < t.kept[oldest].at {
				oldest = id
			}
		}
		delete(t.kept, oldest)
	}
}

// Of is the account's, as it was signed; nil where there is none that is still good.
func (t *Tokens) Of(account uuid.UUID, now time.Time) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, has := t.kept[account]
	if !has || !now.Before(k.until) {
		delete(t.kept, account)
		return nil
	}
	return k.signed
}

// Forget drops the account's.
func (t *Tokens) Forget(account uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.kept, account)
}

func (t *Tokens) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.kept)
}
