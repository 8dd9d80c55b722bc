package daemon

import (
	"sync"
	"time"
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

func (a *absent) drop(keys ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		delete(a.until, k)
	}
}

func (a *absent) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.until)
}
