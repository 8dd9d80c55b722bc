package sallyport

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/trouble"
)

// termHeader carries a signed identity.Term in base64: with each answer that of the
// database that the server serves from, and with each request the highest that this machine
// has seen, so that a server at an older copy learns of it.
const termHeader = "Sallyport-Term"

// termKey is where the highest term is kept.
const termKey = "sallyport term"

// keptTerm is how it is remembered.
type keptTerm struct {
	// Anchor is kept.Anchor. With another one, what was remembered counts for nothing.
	Anchor []byte `cbor:"1,keyasint"`
	Signed []byte `cbor:"2,keyasint"`
}

// errOlder says that a server's answer does not count, whatever it says.
var errOlder = errors.New("it serves an older copy of the realm's database than this machine has seen: two copies are written to, or it is a standby that is behind")

func isOlder(err error) bool { return errors.Is(err, errOlder) }

// highest is the highest term that was seen. As with the list of servers, it counts for as
// long as the key that signed it does.
type highest struct {
	mu     sync.Mutex
	term   uint64
	signed []byte
	// text is it in the form of the header, as it was said last.
	text string
}

// termed makes the requests of one server with the term, and lets no answer pass that comes
// from an older copy of the database: no yes, no no, and no change.
type termed struct {
	e *endpoint
	t *transport
}

// RoundTrip implements http.RoundTripper.
func (t termed) RoundTrip(r *http.Request) (*http.Response, error) {
	p := t.e.p
	if text := p.term.said(); text != "" {
		r = r.Clone(r.Context())
		r.Header.Set(termHeader, text)
	}
	resp, err := t.t.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := t.e.offeredTerm(r.Context(), resp.Header.Get(termHeader)); err != nil {
		_ = resp.Body.Close() // nothing of it counts
		return nil, err
	}
	return resp, nil
}

// CloseIdleConnections is for http.Client.
func (t termed) CloseIdleConnections() { t.t.CloseIdleConnections() }

func (h *highest) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text
}

// offeredTerm judges the term that came with an answer. Without one, the server is of a
// release from before there were terms; one that no known key signed says nothing.
func (e *endpoint) offeredTerm(ctx context.Context, text string) error {
	p := e.p
	h := &p.term
	h.mu.Lock()
	defer h.mu.Unlock()
	ring := p.keys.Load()
	e.term.Store(0)
	if text == "" || ring == nil {
		return nil
	}
	if text == h.text {
		e.term.Store(h.term)
		return nil
	}
	if _, err := ring.Term(h.signed); err != nil {
		h.term, h.signed, h.text = 0, nil, ""
	}
	signed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	t, err := ring.Term(signed)
	if err != nil {
		return nil
	}
	e.term.Store(t.Term)
	if t.Term < h.term {
		return olderCopy()
	}
	was := h.term
	h.term, h.signed, h.text = t.Term, signed, text
	if t.Term == was {
		return nil
	}
	k, err := cbor.Marshal(keptTerm{Anchor: p.anchor.realmKey, Signed: signed})
	if err == nil {
		// A login that goes away must not tear what everybody needs.
		err = p.o.Memory.Remember(context.WithoutCancel(ctx), termKey, k)
	}
	if err != nil {
		p.o.Log.WarnContext(ctx, "the newest copy of the realm's database is not remembered over a restart", "realm", p.o.Realm, "error", err)
	}
	return nil
}

func olderCopy() error {
	return &provider.CauseError{Cause: trouble.OlderCopy, Err: fmt.Errorf("%w: %w", provider.ErrOffline, errOlder)}
}

// newest tells whether what the server said last is still the highest that was seen. It is
// for a stream, whose answer came long ago.
func (e *endpoint) newest() error {
	h := &e.p.term
	h.mu.Lock()
	defer h.mu.Unlock()
	if is := e.term.Load(); is > 0 && is < h.term {
		return olderCopy()
	}
	return nil
}

// recallTerm takes up the term that was remembered.
func (p *Provider) recallTerm() error {
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	var k keptTerm
	if err := p.remembered(ctx, termKey, &k); err != nil {
		return err
	}
	ring := p.keys.Load()
	if ring == nil || !bytes.Equal(k.Anchor, p.anchor.realmKey) {
		return nil
	}
	if t, err := ring.Term(k.Signed); err == nil {
		p.term.term, p.term.signed = t.Term, k.Signed
		p.term.text = base64.RawStdEncoding.EncodeToString(k.Signed)
	}
	return nil
}
