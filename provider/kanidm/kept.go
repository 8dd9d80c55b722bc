package kanidm

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

const (
	// maxKept is of how many people a session is kept. Who is beyond it steps up by the
	// whole sign-in.
	maxKept = 256
	// farewell is how long the ends of sessions are waited for, all together. One that
	// the server was not told of expires by itself.
	farewell = 2 * time.Second
)

// kept is the session that somebody's last whole sign-in opened at the server. It may
// read what the person may, and change nothing; a step-up goes on from it.
type kept struct {
	account uuid.UUID
	name    identity.Name // that was asked for
	bearer  identity.Secret
	number  uint64 // of the sign-in, so that no later one is taken for this
}

// keeper has the kept sessions, in memory and nowhere else. Its zero value is ready.
type keeper struct {
	mu     sync.Mutex
	list   []kept // oldest first, one of each account and each name
	number uint64
	closed bool
}

// of finds somebody's session. The bearer is a copy, to be wiped.
func (k *keeper) of(name identity.Name) (kept, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := slices.IndexFunc(k.list, func(s kept) bool { return s.name == name })
	if at < 0 {
		return kept{}, false
	}
	s := k.list[at]
	s.bearer = identity.NewSecret(slices.Clone(s.bearer.Reveal()))
	return s, true
}

// replace keeps a session in the place of any other of its account or its name, and
// returns what is to be ended. One without a bearer is not kept, and replaces all the
// same. After close nothing is kept.
func (k *keeper) replace(s kept) (ended []kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ended = k.take(func(o kept) bool { return o.account == s.account || o.name == s.name })
	switch {
	case s.bearer.Len() == 0:
		return ended
	case k.closed:
		return append(ended, s)
	}
	k.number++
	s.number = k.number
	if k.list = append(k.list, s); len(k.list) > maxKept {
		oldest := k.list[0].number
		ended = append(ended, k.take(func(o kept) bool { return o.number == oldest })...)
	}
	return ended
}

// drop forgets this very session, and returns it if it was there still.
func (k *keeper) drop(s kept) []kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.take(func(o kept) bool { return o.number == s.number })
}

// close forgets all sessions, for good.
func (k *keeper) close() []kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	return k.take(func(kept) bool { return true })
}

// take removes what is so. The lock is held.
func (k *keeper) take(so func(kept) bool) (taken []kept) {
	k.list = slices.DeleteFunc(k.list, func(s kept) bool {
		if so(s) {
			taken = append(taken, s)
			return true
		}
		return false
	})
	return taken
}

// end wipes sessions, and tells the server, for as long as it answers.
func (p *Provider) end(ctx context.Context, sessions ...kept) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	var err error
	for _, s := range sessions {
		if err == nil {
			_, err = p.do(ctx, call{method: http.MethodGet, path: "/v1/logout", bearer: string(s.bearer.Reveal())})
		}
		s.bearer.Wipe()
	}
}

// opened deals with the session that a whole sign-in has opened.
func (x *exchange) opened(ctx context.Context, t *unixToken, bearer string, keep bool) {
	s := kept{name: x.name, bearer: identity.NewSecret([]byte(bearer))}
	if t == nil {
		x.p.end(ctx, s)
		return
	}
	s.account = t.UUID
	var ended []kept
	if !keep {
		ended = append(ended, s)
		s.bearer = identity.Secret{}
	}
	x.p.end(ctx, append(ended, x.p.kept.replace(s)...)...)
}
