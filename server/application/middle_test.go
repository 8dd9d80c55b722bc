package application_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application"
)

// The recorded messages of a whole run, in their order.
const (
	sentHello = iota
	sentInstanceKey
	sentCode
	sentPersonKey
	sentJob
	sentResult
)

// held is a network that records messages and carries none.
type held struct{ sent [][]byte }

var errHeld = errors.New("held back")

// RoundTrip implements http.RoundTripper.
func (h *held) RoundTrip(req *http.Request) (*http.Response, error) {
	h.sent = append(h.sent, read(req.Body))
	return nil, errHeld
}

// keeps is the next message of something that an instance does, which does not arrive.
func (i instance) keeps(do func() error) []byte {
	i.r.T.Helper()
	h := &held{}
	i.HTTP.Transport = h
	defer func() { i.HTTP.Transport = i.wire }()
	if err := do(); !errors.Is(err, errHeld) || len(h.sent) != 1 {
		i.r.T.Fatalf("%d messages, %v", len(h.sent), err)
	}
	return h.sent[0]
}

// parts are the two packets of a message: the session key, and what is encrypted with it.
func parts(t *testing.T, m []byte) (key, data []byte) {
	t.Helper()
	r := packet.NewOpaqueReader(bytes.NewReader(m))
	var out [2][]byte
	for n := range out {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Serialize(&b); err != nil {
			t.Fatal(err)
		}
		out[n] = b.Bytes()
	}
	return out[0], out[1]
}

// Promise application-middle.
func TestRecordedMessagesThatAreChangedGetNothing(t *testing.T) {
	r := newRig(t)
	i, victim := r.announced(), r.announced()
	s, hers := i.alice(), victim.alice()
	_ = r.does(s, message.Create, text("notes/one", "first", 0))
	if len(i.sent) != sentResult+1 {
		t.Fatalf("%d messages are recorded", len(i.sent))
	}
	fresh := victim.keeps(func() error {
		_, err := hers.Order(t.Context(), message.Read, about("notes/one", 0))
		return err
	})
	rows, _ := counts(r)
	refused := func(what string, at int, m []byte) {
		t.Helper()
		if status := r.send(m); status != http.StatusBadRequest {
			t.Errorf("%s %d: status %d", what, at, status)
		}
	}
	freshKey, freshData := parts(t, fresh)
	for n, m := range append(slices.Clone(i.sent), fresh) {
		key, data := parts(t, m)
		refused("the signature and the text cut off, of", n, key)
		refused("without its session key,", n, data)
		refused("its packets the other way round, of", n, append(bytes.Clone(data), key...))
		refused("twice in one, of", n, append(bytes.Clone(m), m...))
		if n <= sentResult {
			refused("what is encrypted, with another's session key, of", n, append(bytes.Clone(freshKey), data...))
			refused("another's text, with the session key of", n, append(bytes.Clone(key), freshData...))
		}
		for at := 0; at < len(m); at += 29 {
			refused("cut off at", at, m[:at])
		}
		for at := 0; at < len(m); at += 11 {
			flipped := bytes.Clone(m)
			flipped[at] ^= 1 << (at % 8)
			refused("a bit is another, at", at, flipped)
		}
	}
	if after, _ := counts(r); after != rows {
		t.Errorf("%d rows of the audit log", after-rows)
	}
	if status := r.send(fresh); status != http.StatusOK {
		t.Errorf("as it was sent: status %d", status)
	}
	if got := r.does(hers, message.Read, about("notes/one", 0)); !got.Done {
		t.Errorf("her next: %+v", got)
	}
}

// Promise application-middle.
func TestRecordedMessagesAreNothingToAnotherRealm(t *testing.T) {
	r, another := newRig(t), newRig(t)
	i := r.announced()
	_ = r.does(i.alice(), message.Read, about("notes/one", 0))
	for n, m := range i.sent {
		if status := another.send(m); status != http.StatusBadRequest {
			t.Errorf("message %d: status %d", n, status)
		}
	}
	for n, m := range i.came {
		if status := r.send(m); status != http.StatusBadRequest {
			t.Errorf("answer %d: status %d", n, status)
		}
	}
}

// Promise application-middle.
func TestMessagesThatAreHeldBackOrComeInAnotherOrderDoNothingLate(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	self := i.self()
	order := func(name string) []byte {
		return i.keeps(func() error {
			_, err := s.Order(t.Context(), message.Create, text(name, "x", 0))
			return err
		})
	}
	// Two orders that overtake each other are two orders, each once.
	first, second := order("notes/one"), order("notes/two")
	for _, m := range [][]byte{second, first} {
		r.cause("overtaken", self, m, "")
		r.cause("again", self, m, application.Replayed)
	}
	// A key that overtakes its code is too soon, and is not taken later.
	app, code, k := r.application(), message.NewRequest(), r.newKey()
	public, err := k.ArmoredPublic()
	r.Must(nil, err)
	hello, key := r.sealed(r.craft(app, message.Hello), message.HelloBody{Code: code}), r.sealed(r.craft(app, message.InstanceKey), message.InstanceKeyBody{Code: code, Key: public})
	r.cause("a key before its hello", app, key, application.WrongCode)
	r.cause("its hello", app, hello, "")
	r.cause("the key once more", app, key, application.Replayed)
	if got := r.binds(app, code, k); got != "" {
		t.Errorf("its own, sent anew: %q", got)
	}
	// Held back beyond the limit, each of them is too late, and nothing else is held up.
	late := map[string][]byte{
		"order": order("notes/three"),
		"code":  i.keeps(func() error { _, err := i.Register(t.Context(), "", r.invite("carol"), []byte(passphrase)); return err }),
		"fetch": i.keeps(func() error { _, err := s.Fetch(t.Context(), "00000000-0000-0000-0000-000000000000"); return err }),
	}
	other := r.unknown()
	late["hello"] = other.keeps(func() error { _, err := other.Init(t.Context(), r.shipped, r.server()); return err })
	r.later(121 * time.Second)
	for what, m := range late {
		to := self
		if what == "hello" {
			to = app
		}
		r.cause(what, to, m, application.Clock)
	}
	if got := r.does(s, message.Create, text("notes/three", "x", 0)); !got.Done || got.Revision != 1 {
		t.Errorf("sent anew: %+v", got)
	}
}
