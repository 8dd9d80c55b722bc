package cards

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// proveAgain is how often status has server and card service prove themselves:
// anybody may ask for it, and each proof takes the place of an older one.
const proveAgain = 10 * time.Second

// mutual is how the last proof of card service and server to each other went.
type mutual struct {
	mu   sync.Mutex
	at   time.Time // of the last that status asked for, by the wall clock
	last error     // nil: it went well, or there was none
}

func (p *mutual) set(err error) { p.mu.Lock(); defer p.mu.Unlock(); p.last = err }
func (p *mutual) why() error    { p.mu.Lock(); defer p.mu.Unlock(); return p.last }

// due tells once in a while that it is time for another.
func (p *mutual) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := now.Sub(p.at); since >= 0 && since < proveAgain {
		return false
	}
	p.at = now
	return true
}

// noteProof keeps what an answer of the cards says about the proof.
func (r *Reader) noteProof(err error) {
	var e *identity.CardError
	switch {
	case err == nil:
		r.proof.set(nil)
	case errors.As(err, &e) && e.Fault == identity.CardServiceUnproved:
		r.proof.set(err)
	default: // it came to no proof
	}
}

// Prove is done before anybody is asked for a PIN.
func (r *Reader) Prove(ctx context.Context) (string, error) {
	g, guarded := r.service.(Guard)
	if !guarded {
		return "", nil
	}
	proved, err := limited(ctx, findLimit, g.Prove)
	r.noteProof(err)
	return proved, err
}

// Findings say why no PIN is asked for on this machine, where the two do not
// prove themselves to each other. Without the server the last word stands.
func (r *Reader) Findings(ctx context.Context, online bool) []report.Finding {
	if _, guarded := r.service.(Guard); !guarded {
		return nil
	}
	if online && r.proof.due(r.now()) {
		const patience = time.Second // status is asked by monitors
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, _ = r.Prove(ctx) // it is noted
	}
	err := r.proof.why()
	if err == nil {
		return nil
	}
	return []report.Finding{{
		Check: "cards", Severity: report.Warning, Mend: proofMend(err),
		Detail: "No PIN is asked for here: the card service and the server did not prove themselves to each other: " + identity.Printable(err.Error()),
	}}
}

// proofMend says what an administrator can do.
func proofMend(err error) string {
	switch {
	case errors.Is(err, identity.ErrCardServiceOff):
		return "Start the server with what \"sallyport-server card-keys\" made, or set [cards] mutual = \"off\"."
	case errors.Is(err, identity.ErrCardServiceKey):
		return "Set [cards] mutual_index to the place of this machine's key in the server's file of card services' keys, counted from 0."
	case errors.Is(err, identity.ErrCardServiceProof):
		return "Compare [cards] mutual_key, mutual_roots and mutual_index with the server's files: all of them are from one \"sallyport-server card-keys\" for this realm."
	case errors.Is(err, provider.ErrOffline):
		return "Connect to the server; where cards are to be used without it, set [cards] mutual = \"online\"."
	default:
		return "Look at the log of sallyportd."
	}
}
