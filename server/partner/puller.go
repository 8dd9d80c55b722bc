package partner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// How often partners are asked, and how much at a time.
const (
	lookEvery = 10 * time.Second // who is to be asked
	askEvery  = time.Minute
	askAgain  = 5 * time.Minute // after a failure
	// askWithin bounds all that is asked of one partner at a time, and claimFor is for how long
	// no other server asks.
	askWithin = 2 * time.Minute
	claimFor  = askWithin + time.Minute
	// mostAnswers are taken of one partner at a time.
	mostAnswers = 20
	// MaxPeople is how many people of one partner are kept.
	MaxPeople = 100_000
	// listWithin is how long a whole list may take, over as many times as it takes.
	listWithin = 24 * time.Hour
)

// Puller asks the partners of a realm.
type Puller struct {
	*realm.Realm
	// Most is how many people of one partner are kept: MaxPeople.
	Most int

	mu      sync.Mutex
	running map[uuid.UUID]bool // partners that this server asks now
}

// NewPuller is for a server that may write.
func NewPuller(r *realm.Realm) *Puller {
	return &Puller{Realm: r, Most: MaxPeople, running: make(map[uuid.UUID]bool)}
}

// Run asks whoever is to be asked, until ctx ends, and returns once everything is over.
func (p *Puller) Run(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		wait := p.Start(ctx)
		all.Go(wait)
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// Start begins to ask each partner that is due, by itself. wait returns once all of these are over.
func (p *Puller) Start(ctx context.Context) (wait func()) {
	var started sync.WaitGroup
	read, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	var due []store.Partner
	err := p.Store.Read(read, func(tx *store.Tx) (err error) {
		due, err = tx.DuePartners(p.Now())
		return err
	})
	if err != nil && ctx.Err() == nil {
		p.Log.WarnContext(ctx, "partner realms are not asked: the database cannot be read", "error", err)
	}
	for _, o := range due {
		if p.begin(o.ID) {
			started.Go(func() {
				defer p.end(o.ID)
				p.visit(ctx, o)
			})
		}
	}
	return started.Wait
}

func (p *Puller) begin(id uuid.UUID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[id] {
		return false
	}
	p.running[id] = true
	return true
}

func (p *Puller) end(id uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, id)
}

// visit asks one partner, if no other server does, and notes how it went.
func (p *Puller) visit(ctx context.Context, o store.Partner) {
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	mine := false
	err := p.Store.Write(within, func(tx *store.Tx) (err error) {
		now := p.Now()
		mine, err = tx.ClaimPartner(o.ID, now, now.Add(claimFor))
		return err
	})
	if err != nil {
		p.Log.WarnContext(ctx, "a partner realm is not asked: the database cannot be written", "partner", o.Realm, "error", err)
	}
	if err != nil || !mine {
		return
	}
	err = newExchange(p.Realm, o, p.Most).all(within)
	if ctx.Err() != nil {
		return // this server stops; another one asks once the claim is over
	}
	fault, next := "", askEvery
	if err != nil {
		fault, next = realm.Clip(identity.Printable(err.Error())), askAgain
	}
	var no *noPartnerError
	refused := errors.As(err, &no)
	note, end := context.WithTimeout(ctx, lookEvery)
	defer end()
	err = p.Store.Write(note, func(tx *store.Tx) error { return tx.AskedPartner(o.ID, fault, refused, p.Now().Add(next)) })
	if err != nil {
		p.Log.WarnContext(ctx, "it is not noted how it went with a partner realm", "partner", o.Realm, "error", err)
	}
}
