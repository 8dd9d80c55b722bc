package realm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TermHeader carries a signed identity.Term in base64, with each answer that of the
// database that the server serves from, and with each request the highest that the machine
// has seen.
const TermHeader = "Sallyport-Term"

// errOlder says that this server must not answer for its realm.
var errOlder = errors.New("this server's database is an older copy of the realm's: another one is written to")

// older is that in the form in which machines are told.
func older() error { return connect.NewError(connect.CodeUnavailable, errOlder) }

// terms are what this server knows of the copies of its database.
type terms struct {
	mu sync.Mutex
	// seen is the highest term of any copy, here that of the database.
	seen, here uint64
	// said is the signed form of here, by the key named.
	said, key string
	// heard is the last of a machine's that was judged.
	heard string
}

func (t *terms) highest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// older tells whether the database is an older copy than one that was seen.
func (t *terms) older() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.here < t.seen
}

// NoteTerm takes up the term of the database at the moment of the transaction: it is what
// machines are told from then on.
//
// A server that only reads says none, for nobody would believe it; it does hear of higher ones.
func (r *Realm) NoteTerm(tx *store.Tx, term uint64) error {
	if r.reader != nil {
		r.see(term, term)
		return nil
	}
	k, err := r.signing(tx)
	if err != nil {
		return err
	}
	t := &r.terms
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.here == term && t.key == k.ID {
		return nil
	}
	said := ""
	if term > 0 {
		signed, err := k.signer.SignTerm(&identity.Term{Realm: r.Name, Term: term})
		if err != nil {
			return fmt.Errorf("sign the term: %w", err)
		}
		said = base64.RawStdEncoding.EncodeToString(signed)
	}
	was := t.here < t.seen
	t.here, t.said, t.key, t.seen = term, said, k.ID, max(t.seen, term)
	r.tellOlder(was)
	return nil
}

// tellOlder logs where this server begins or ends to be at an older copy.
func (r *Realm) tellOlder(was bool) {
	switch is := r.terms.here < r.terms.seen; {
	case is && !was:
		r.Log.Error("ALARM: requests are refused: "+errOlder.Error()+". Stop the database that is not to go on; if it is this one that is to, run: sallyport-server realm set --newest-copy",
			"term", r.terms.here, "seen", r.terms.seen)
	case was && !is:
		r.Log.Info("the database is the newest copy of the realm's again", "term", r.terms.here)
	}
}

// recallTerm takes up what an earlier start has seen. A file in the folder is one server's
// own: nobody else writes to a copy of it, so one that was put back is the newest again.
func (r *Realm) recallTerm(tx *store.Tx, seen uint64) error {
	_, term, err := tx.Term()
	if err != nil || seen <= term {
		return err
	}
	if r.Settings.Database == "" {
		return tx.Supersede(seen, r.Now())
	}
	r.see(seen, term)
	return nil
}

// see notes that there is a copy of that term; here is the database's own.
func (r *Realm) see(seen, here uint64) {
	r.terms.mu.Lock()
	defer r.terms.mu.Unlock()
	was := r.terms.here < r.terms.seen
	r.terms.here, r.terms.seen = here, max(r.terms.seen, seen)
	r.tellOlder(was)
}

// WithTerms says the term with each answer, and hears that of each machine.
func (r *Realm) WithTerms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if said := req.Header.Get(TermHeader); said != "" && CallerOf(req.Context()).Key != nil {
			if err := r.hear(req.Context(), said); err != nil {
				r.Log.WarnContext(req.Context(), "what a machine has seen of the copies of the database cannot be judged", "error", err)
			}
		}
		r.SayTerm(w.Header())
		next.ServeHTTP(w, req)
	})
}

// SayTerm writes the term into an answer's header.
func (r *Realm) SayTerm(h http.Header) {
	r.terms.mu.Lock()
	defer r.terms.mu.Unlock()
	if r.terms.said != "" {
		h.Set(TermHeader, r.terms.said)
	}
}

// hear judges a term that a machine has seen. Only one that this realm signed counts.
func (r *Realm) hear(ctx context.Context, said string) error {
	t := &r.terms
	t.mu.Lock()
	known := said == t.heard || said == t.said
	t.mu.Unlock()
	if known {
		return nil
	}
	var is *identity.Term
	err := r.Store.Read(ctx, func(tx *store.Tx) error {
		ring, err := r.keyring(tx)
		if err != nil {
			return err
		}
		signed, err := base64.RawStdEncoding.DecodeString(said)
		if err == nil {
			is, err = ring.Term(signed)
		}
		if err != nil {
			is = nil // it proves nothing
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.heard = said
	here, seen := t.here, t.seen
	t.mu.Unlock()
	if is == nil || is.Term <= seen {
		return nil
	}
	r.see(is.Term, here)
	if r.Settings.Database != "" {
		return nil
	}
	return r.Write(ctx, r.Supersede) // nobody else writes to a copy of a file
}

// Supersede makes the database that this server serves from the newest copy of the realm's.
// Where the transaction comes to nothing, the next look at the database notices.
func (r *Realm) Supersede(tx *store.Tx) error {
	if err := tx.Supersede(r.terms.highest(), r.Now()); err != nil {
		return err
	}
	_, term, err := tx.Term()
	if err != nil {
		return err
	}
	return r.NoteTerm(tx, term)
}
