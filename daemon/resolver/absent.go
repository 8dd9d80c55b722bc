package resolver

import (
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// A server that cannot be listed is asked about each name that nobody has, and some
// programs ask for the same one again and again. Its no is remembered for some seconds:
//
//	what                          is remembered    for
//	a name, uid, group or gid     each apart       5 s, of the clock that nobody sets
//	more than 4096                those that end   -
//	                              first go
//	somebody or something of      no longer        -
//	that name or id was learnt
//	a login                       never            the server is asked
//
// Nobody is out for longer than that who was just made, whatever the wall clock does.
type absent struct {
	mu    sync.Mutex
	until map[string]time.Duration // by the key of the question
}

const (
	absentFor = 5 * time.Second
	maxAbsent = 4096
)

func (a *absent) has(key string, now time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.until[key]
	return ok && now < until && until-now <= absentFor
}

func (a *absent) add(key string, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now == 0 {
		return // no elapsed time is known
	}
	if a.until == nil {
		a.until = make(map[string]time.Duration)
	}
	if len(a.until) >= maxAbsent {
		a.makeRoom(now)
	}
	a.until[key] = now + absentFor
}

// makeRoom drops what is over, and where that is nothing, everything: it is only to save
// questions.
func (a *absent) makeRoom(now time.Duration) {
	for key, until := range a.until {
		if now >= until {
			delete(a.until, key)
		}
	}
	if len(a.until) >= maxAbsent {
		clear(a.until)
	}
}

// any tells whether a no is remembered at all: where a realm is listed, none ever is.
func (a *absent) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.until) > 0
}

func (a *absent) drop(keys ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		delete(a.until, k)
	}
}

// come ends what was said of an account and its groups, for they are there.
func (a *absent) come(t *identity.IDToken) {
	if !a.any() {
		return // a list of many people costs no keys
	}
	a.drop(nameKey(t.Account.Name), uidKey(t.Account.UID))
	for _, g := range t.Groups {
		a.drop(groupKey(g.Name), gidKey(g.GID))
	}
}

func (a *absent) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.until)
}
