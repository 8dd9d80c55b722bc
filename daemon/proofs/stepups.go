package proofs

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Proof is what one authentication proved: a session token's substance, made here when
// the server could not be asked.
type Proof struct {
	// Factors are what was proved, each with the epoch that it had.
	Factors []identity.Factor
	At      time.Duration // by CLOCK_BOOTTIME: time asleep counts
	Expires int64         // of the server's session token, Unix seconds; 0: none
	Offline bool
}

// Methods are the kinds of its factors; never nil.
func (p Proof) Methods() []identity.FactorKind {
	list := make([]identity.FactorKind, len(p.Factors))
	for i, f := range p.Factors {
		list[i] = f.Kind
	}
	return list
}

// Place is whom a proof is for and where it counts. All of it must be the same.
type Place struct {
	Account uuid.UUID
	UID     uint32
	Asker   string // who ran the host program, as it says; su's is not the account
	Session identity.LoginSession
}

// Placed is a proof with the place where it counts.
type Placed struct {
	Place
	Proof
}

// maxProofs of one account: more terminals than anybody has. The oldest goes.
const maxProofs = 64

// StepUps are the proofs that services of step-up go by.
type StepUps struct {
	mu      sync.Mutex
	kept    map[uuid.UUID]map[Place]Proof
	pending map[*Pending]struct{}
}

// Pending is an authentication under way. What would end the proof if it were there
// already ends this one too.
type Pending struct {
	at   Place
	void bool
}

// Begin is called before anything is asked, and Done in the end.
func (p *StepUps) Begin(at Place) *Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[*Pending]struct{})
	}
	w := &Pending{at: at}
	p.pending[w] = struct{}{}
	return w
}

// Done ends what Begin began, whether a proof was kept or not.
func (p *StepUps) Done(w *Pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, w)
}

// Keep remembers a proof where it was begun, unless one that had been there was
// forgotten since.
func (p *StepUps) Keep(w *Pending, what Proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.void {
		return
	}
	at := w.at
	if p.kept == nil {
		p.kept = make(map[uuid.UUID]map[Place]Proof)
	}
	of := p.kept[at.Account]
	if of == nil {
		of = make(map[Place]Proof)
		p.kept[at.Account] = of
	}
	of[at] = what
	if len(of) > maxProofs {
		oldest, when := at, what.At
		for k, v := range of {
			if v.At < when {
				oldest, when = k, v.At
			}
		}
		delete(of, oldest)
	}
}

// At is the proof that counts at exactly that place.
func (p *StepUps) At(where Place) (Proof, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.kept[where.Account][where]
	return v, ok
}

// Forget drops the account's proofs that match, nil matching all, and tells how many
// there were. What is being proved at the moment and matches is not kept either.
func (p *StepUps) Forget(account uuid.UUID, match func(Place) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.kept[account])
	maps.DeleteFunc(p.kept[account], func(at Place, _ Proof) bool { return match == nil || match(at) })
	left := len(p.kept[account])
	if left == 0 {
		delete(p.kept, account)
	}
	for w := range p.pending {
		w.void = w.void || w.at.Account == account && (match == nil || match(w.at))
	}
	return before - left
}

// clear drops everybody's.
func (p *StepUps) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.kept)
	for w := range p.pending {
		w.void = true
	}
}

// Of lists the account's proofs, the newest first, and forgets those made before a time
// that no service looks back to.
func (p *StepUps) Of(account uuid.UUID, since time.Duration) []Placed {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Placed
	for k, v := range p.kept[account] {
		if v.At < since {
			delete(p.kept[account], k)
			continue
		}
		list = append(list, Placed{k, v})
	}
	slices.SortFunc(list, func(a, b Placed) int { return int(b.At - a.At) })
	return list
}
