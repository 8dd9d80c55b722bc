package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/verification"
)

// How long a session may be, and how many there are. freshFor is how long after a sign-in keys
// may be changed.
const (
	idleFor      = 15 * time.Minute
	mostFor      = time.Hour
	provingFor   = 2 * time.Minute
	freshFor     = 5 * time.Minute
	mostSessions = 4096
	mostOfName   = 8
)

// session is somebody's. It is proving while who is nil, and waits for a code.
type session struct {
	mu sync.Mutex // of a request that works on it, and of what is below

	name    identity.Name
	proving auth.ConsoleStep
	who     *auth.SignedIn
	call    *call

	// These are under the table's lock.
	hash        [sha256.Size]byte
	began, used time.Time
	signedIn    bool
}

// call is somebody who was found, and what came of the last code that was heard of them.
type call struct {
	id     string // of the form that the next code may come by
	person *v1.VerifyPerson
	// about is what was typed that the call is about, and subject what its codes know of that.
	about, subject string

	verdict *verification.Verdict
	heardAt time.Time
}

func newCall(p *v1.VerifyPerson, about, subject string) *call {
	return &call{id: rand.Text(), person: p, about: about, subject: subject}
}

// over tells whether its time is over.
func (s *session) over(now time.Time) bool {
	if !s.signedIn {
		return now.Sub(s.began) >= provingFor
	}
	return now.Sub(s.used) >= idleFor || now.Sub(s.began) >= mostFor
}

// sessions are those of this server, by the hash of their cookies.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

// newValue is what a new cookie says.
func newValue() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// put keeps a session under a new cookie, and under no other from then on. The oldest make
// room.
func (t *sessions) put(s *session, now time.Time) (cookie string) {
	cookie = newValue()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[[sha256.Size]byte]*session)
	}
	delete(t.all, s.hash)
	var ofName []*session
	for hash, o := range t.all {
		if o.over(now) {
			delete(t.all, hash)
		} else if o.name == s.name && o.signedIn == (s.who != nil) { // who has a password alone ends nobody's session
			ofName = append(ofName, o)
		}
	}
	if len(ofName) >= mostOfName {
		delete(t.all, oldest(ofName).hash)
	}
	if len(t.all) >= mostSessions {
		var list []*session
		for _, o := range t.all {
			list = append(list, o)
		}
		delete(t.all, oldest(list).hash)
	}
	s.hash = sha256.Sum256([]byte(cookie))
	s.signedIn = s.who != nil
	s.began, s.used = now, now
	t.all[s.hash] = s
	return cookie
}

func oldest(list []*session) *session {
	return slices.MinFunc(list, func(a, b *session) int { return a.used.Compare(b.used) })
}

// get is the session of a cookie, nil where there is none, or its time is over.
func (t *sessions) get(cookie string, now time.Time) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[sha256.Sum256([]byte(cookie))]
	if s == nil {
		return nil
	}
	if s.over(now) {
		delete(t.all, s.hash)
		return nil
	}
	s.used = now
	return s
}

// end forgets a session.
func (t *sessions) end(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, s.hash)
}

// tokens makes the tokens of forms: one for each cookie.
type tokens struct{ key [32]byte }

func newTokens() tokens {
	var t tokens
	_, _ = rand.Read(t.key[:]) // never fails, see crypto/rand
	return t
}

func (t tokens) of(cookie string) string {
	h := hmac.New(sha256.New, t.key[:])
	_, _ = h.Write([]byte(cookie)) // never fails, see hash.Hash
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (t tokens) is(token, cookie string) bool {
	return cookie != "" && hmac.Equal([]byte(token), []byte(t.of(cookie)))
}
