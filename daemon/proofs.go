package daemon

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// proof is what one authentication proved: a session token's substance, made
// here when the server could not be asked.
type proof struct {
	// factors are what was proved, each with the epoch that it had.
	factors []identity.Factor
	at      time.Duration // by CLOCK_BOOTTIME: time asleep counts
	expires int64         // of the server's session token, Unix seconds; 0: none
	offline bool
}

func (p proof) methods() []identity.FactorKind {
	list := make([]identity.FactorKind, len(p.factors))
	for i, f := range p.factors {
		list[i] = f.Kind
	}
	return list
}

// place is whom a proof is for and where it counts. All of it must be the same.
type place struct {
	account uuid.UUID
	uid     uint32
	asker   string // who ran the host program, as it says; su's is not the account
	session identity.LoginSession
}

// maxProofs of one account: more terminals than anybody has. The oldest goes.
const maxProofs = 64

// proofs are kept in memory alone: a restart of the daemon or of the machine
// forgets them. The zero value is empty.
type proofs struct {
	mu      sync.Mutex
	kept    map[uuid.UUID]map[place]proof
	pending map[*pendingProof]struct{}
}

// pendingProof is an authentication under way. What would end the proof if it were there
// already ends this one too.
type pendingProof struct {
	at   place
	void bool
}

// begin is called before anything is asked, and done in the end.
func (p *proofs) begin(at place) *pendingProof {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[*pendingProof]struct{})
	}
	w := &pendingProof{at: at}
	p.pending[w] = struct{}{}
	return w
}

func (p *proofs) done(w *pendingProof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, w)
}

// keep remembers a proof where it was begun, unless one that had been there was
// forgotten since.
func (p *proofs) keep(w *pendingProof, what proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.void {
		return
	}
	at := w.at
	if p.kept == nil {
		p.kept = make(map[uuid.UUID]map[place]proof)
	}
	of := p.kept[at.account]
	if of == nil {
		of = make(map[place]proof)
		p.kept[at.account] = of
	}
	of[at] = what
	if len(of) > maxProofs {
		oldest, when := at, what.at
		for k, v := range of {
			if v.at < when {
				oldest, when = k, v.at
			}
		}
		delete(of, oldest)
	}
}

func (p *proofs) at(where place) (proof, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.kept[where.account][where]
	return v, ok
}

// forget drops the account's proofs that match, nil matching all, and tells how
// many there were. What is being proved at the moment and matches is not kept either.
func (p *proofs) forget(account uuid.UUID, match func(place) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for at := range p.kept[account] {
		if match == nil || match(at) {
			delete(p.kept[account], at)
			n++
		}
	}
	if len(p.kept[account]) == 0 {
		delete(p.kept, account)
	}
	for w := range p.pending {
		w.void = w.void || w.at.account == account && (match == nil || match(w.at))
	}
	return n
}

// clear drops everybody's.
func (p *proofs) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.kept)
	for w := range p.pending {
		w.void = true
	}
}

// placed is a proof with the place where it counts.
type placed struct {
	place
	proof
}

// of lists the account's proofs, the newest first, and forgets those made before
// a time that no service looks back to.
func (p *proofs) of(account uuid.UUID, since time.Duration) []placed {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []placed
	for k, v := range p.kept[account] {
		if v.at < since {
			delete(p.kept[account], k)
			continue
		}
		list = append(list, placed{k, v})
	}
	slices.SortFunc(list, func(a, b placed) int { return int(b.at - a.at) })
	return list
}

// provedHere is what accounts have proved on this machine, for whoever learns that it
// counts no more.
type provedHere struct {
	proofs   *proofs
	earnings *earnings
}

// Forget ends what an account proved.
func (p provedHere) Forget(account uuid.UUID) {
	p.proofs.forget(account, nil)
	p.earnings.forget(account)
}

// ForgetAll ends what anybody proved.
func (p provedHere) ForgetAll() {
	p.proofs.clear()
	p.earnings.clear()
}
