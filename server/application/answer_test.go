package application_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/store"
)

// between changes what is answered.
type between struct {
	wire   http.RoundTripper
	change func([]byte) []byte
}

// RoundTrip implements http.RoundTripper.
func (b *between) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.wire.RoundTrip(req)
	if err == nil {
		resp.Body = body(b.change(read(resp.Body)))
	}
	return resp, err
}

// Promise application-answer.
func TestAnAnswerCountsOnlyWhereTheRealmGivesItToThisQuestionNow(t *testing.T) {
	r := newRig(t)
	i, other := r.announced(), r.announced()
	s := i.alice()
	b := &between{wire: i.HTTP.Transport}
	i.HTTP = &http.Client{Transport: b}
	self, elsewhere := i.self(), other.self()
	realmKey := r.realmKey()
	// written is an answer to the question that was sent last, as somebody else would write it.
	written := func(signer message.Key, to *message.Key, change func(*message.Envelope)) func([]byte) []byte {
		return func(real []byte) []byte {
			m, err := message.Decrypt(real, self.key)
			r.Must(nil, err)
			e, err := message.Decode(m.Claims)
			r.Must(nil, err)
			change(&e)
			text, err := e.Encode(e.Body)
			r.Must(nil, err)
			sealed, err := message.Seal(text, signer, to, r.Now())
			r.Must(nil, err)
			return sealed
		}
	}
	same := func(*message.Envelope) {}
	var last []byte
	for what, change := range map[string]func([]byte) []byte{
		"nothing":                        func([]byte) []byte { return nil },
		"noise":                          func([]byte) []byte { return []byte("noise") },
		"changed on the way":             func(m []byte) []byte { m[len(m)-5] ^= 1; return m },
		"the question itself":            func([]byte) []byte { return i.sent[len(i.sent)-1] },
		"an answer of before":            func([]byte) []byte { return last },
		"signed by itself":               written(self.key, &self.key, same),
		"signed by another instance":     written(elsewhere.key, &self.key, same),
		"the same, but not encrypted":    written(self.key, nil, same),
		"encrypted to another":           written(self.key, &elsewhere.key, same),
		"as if by the realm, in its key": written(self.key, &self.key, func(e *message.Envelope) { e.From.Key = realmKey.Fingerprint() }),
	} {
		b.change = func(m []byte) []byte { return m }
		_, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
		r.wants("as it comes", err, "")
		last = i.came[len(i.came)-1]
		b.change = change
		if job, err := s.Order(t.Context(), message.Read, about("notes/one", 0)); !errors.Is(err, client.ErrAnswer) || job != "" {
			t.Errorf("%s: %q, %v", what, job, err)
		}
	}

	// The realm's own words, to another question, another purpose, another receiver, another time.
	set, err := r.keyOfTheRealm()
	r.Must(nil, err)
	for what, change := range map[string]func(*message.Envelope){
		"about another question": func(e *message.Envelope) { e.Question = message.Digest(nil) },
		"about another request":  func(e *message.Envelope) { e.Request = message.NewRequest() },
		"for another purpose":    func(e *message.Envelope) { e.Purpose = message.PersonBound },
		"for another instance":   func(e *message.Envelope) { e.To = elsewhere.Party },
		"carried":                func(e *message.Envelope) { e.Via = &self.Party },
		"too late":               func(e *message.Envelope) { e.Time -= int64(client.Skew/time.Second) + 1 },
		"too early":              func(e *message.Envelope) { e.Time += int64(client.Skew/time.Second) + 1 },
	} {
		b.change = written(set, &self.key, change)
		if job, err := s.Order(t.Context(), message.Read, about("notes/one", 0)); !errors.Is(err, client.ErrAnswer) || job != "" {
			t.Errorf("%s: %q, %v", what, job, err)
		}
	}
	b.change = written(set, nil, same)
	if _, err := s.Order(t.Context(), message.Read, about("notes/one", 0)); !errors.Is(err, client.ErrAnswer) {
		t.Errorf("the realm's, but not encrypted: %v", err)
	}
	b.change = written(set, &self.key, same)
	if _, err := s.Order(t.Context(), message.Read, about("notes/one", 0)); err != nil {
		t.Errorf("written anew with the realm's key: %v", err)
	}
}

// keyOfTheRealm is the realm's OpenPGP key with its private half, as a thief of the folder has it.
func (r *rig) keyOfTheRealm() (k message.Key, err error) {
	err = r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		set, err := settings.Read(tx)
		if err == nil {
			k, err = settings.Key(r.Realm, set.Sealed)
		}
		return err
	})
	return k, err
}
