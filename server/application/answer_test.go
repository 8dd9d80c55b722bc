package application_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/store"
)

// middle carries messages of a client, and gives it what a test says in place of the answer.
type middle struct {
	*wire
	give func(question, answer []byte) []byte
}

// RoundTrip implements http.RoundTripper.
func (m *middle) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.wire.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(m.give(m.sent[len(m.sent)-1], m.came[len(m.came)-1])))
	return resp, nil
}

// realm is the realm itself, with its private key.
func (r *rig) realm() party {
	r.T.Helper()
	var k message.Key
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		set, err := settings.Read(tx)
		if err == nil {
			k, err = settings.Key(r.Realm, settings.Keys(set, r.Now())[0])
		}
		return err
	}))
	return named(message.Realm, k)
}

// answered is the answer to a question, which the realm signs as a test changes it.
func (r *rig) answered(question []byte, to party, change func(*crafted)) []byte {
	r.T.Helper()
	realm := r.realm()
	m, err := message.Decrypt(question, realm.key)
	r.Must(nil, err)
	q, err := message.Decode(m.Claims)
	r.Must(nil, err)
	c := &crafted{realm, message.Envelope{
		Purpose: message.JobAccepted, From: realm.Party, To: to.Party, Request: q.Request, Time: r.Now().Unix(), Question: message.Digest(m.Claims),
	}, realm.key}
	change(c)
	text, err := c.e.Encode(message.JobAcceptedBody{Job: "x"})
	r.Must(nil, err)
	b, err := message.Seal(text, c.signer, &to.key, r.Now())
	r.Must(nil, err)
	return b
}

// Promise application-answers.
func TestAClientTakesNoAnswerButTheRealmsToItsQuestionNow(t *testing.T) {
	r := newRig(t)
	i, other := r.announced(), r.announced()
	s := i.alice()
	self, elsewhere := i.self(), other.self()
	stranger := named(message.Realm, r.newKey())
	old := bytes.Clone(i.came[len(i.came)-1])
	order := func(give func(question, answer []byte) []byte) error {
		i.HTTP.Transport = &middle{i.wire, give}
		_, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
		return err
	}
	for what, give := range map[string]func(question, answer []byte) []byte{
		"nothing":                 func(_, _ []byte) []byte { return nil },
		"noise":                   func(_, _ []byte) []byte { return []byte("noise") },
		"the question":            func(q, _ []byte) []byte { return q },
		"the answer of before":    func(_, _ []byte) []byte { return old },
		"an answer to another":    func(_, _ []byte) []byte { return other.came[len(other.came)-1] },
		"a bit of it is another":  func(_, a []byte) []byte { a = bytes.Clone(a); a[len(a)-7] ^= 1; return a },
		"cut off":                 func(_, a []byte) []byte { return a[:len(a)-1] },
		"twice":                   func(_, a []byte) []byte { return append(bytes.Clone(a), a...) },
		"without its session key": func(_, a []byte) []byte { _, data := parts(t, a); return data },
		"65 KB":                   func(_, _ []byte) []byte { return make([]byte, message.MaxMessage+1) },
		"encrypted to another":    func(q, _ []byte) []byte { return r.answered(q, elsewhere, func(c *crafted) { c.e.To = self.Party }) },
		"not encrypted":           func(q, _ []byte) []byte { return r.open(q, self) },
		"signed by a stranger":    func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.signer = stranger.key }) },
		"a stranger's": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.signer, c.e.From = stranger.key, stranger.Party })
		},
		"signed by the instance": func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.signer = self.key }) },
		"from the instance":      func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.From = self.Party }) },
		"for another":            func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.To = elsewhere.Party }) },
		"for the application": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.e.To = r.application().Party })
		},
		"about another request": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.e.Request = message.NewRequest() })
		},
		"about another question": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.e.Question = message.Digest(nil) })
		},
		"about no question": func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.Question = "" }) },
		"of another purpose": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.e.Purpose = message.JobResult })
		},
		"a refusal that says less": func(q, _ []byte) []byte {
			return r.answered(q, self, func(c *crafted) { c.e.Purpose = message.Refused })
		},
		"carried by somebody": func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.Via = &self.Party }) },
		"too old":             func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.Time -= 121 }) },
		"of the future":       func(q, _ []byte) []byte { return r.answered(q, self, func(c *crafted) { c.e.Time += 121 }) },
		"held back":           func(_, a []byte) []byte { r.later(121 * time.Second); return a },
	} {
		if err := order(give); !errors.Is(err, client.ErrAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, give := range map[string]func(question, answer []byte) []byte{
		"as the realm says it": func(_, a []byte) []byte { return a },
		"as a test does":       func(q, _ []byte) []byte { return r.answered(q, self, func(*crafted) {}) },
	} {
		if err := order(give); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// open is an answer that is signed by the realm and is not encrypted.
func (r *rig) open(question []byte, to party) (b []byte) {
	r.T.Helper()
	m, err := message.Decrypt(r.answered(question, to, func(*crafted) {}), to.key)
	r.Must(nil, err)
	b, err = message.Seal(m.Claims, r.realm().key, nil, r.Now())
	r.Must(nil, err)
	return b
}

// Promise application-answers.
func TestKeysThatAreSwappedInTheHandshakeMakeNoInstance(t *testing.T) {
	r := newRig(t)
	stranger, app := r.newKey(), r.application()
	strangers := func(q, _ []byte) []byte { // who has the application, too, has a key of their own bound meanwhile
		public, err := stranger.ArmoredPublic()
		r.Must(nil, err)
		b, _ := r.service.Answer(t.Context(), r.sealed(r.craft(app, message.InstanceKey), message.InstanceKeyBody{Code: r.hello(app), Key: public}))
		return b
	}
	for what, give := range map[string]func(question, answer []byte) []byte{
		"another's binding": strangers,
		"the answer to the hello, again": func() func(q, a []byte) []byte {
			var first []byte
			return func(_, a []byte) []byte {
				if first == nil {
					first = a
				}
				return first
			}
		}(),
	} {
		i := r.unknown()
		hello := true
		i.HTTP.Transport = &middle{i.wire, func(q, a []byte) []byte {
			if what != "another's binding" || !hello {
				return give(q, a)
			}
			hello = false
			return a
		}}
		if _, err := i.Init(t.Context(), r.shipped, r.server()); !errors.Is(err, client.ErrAnswer) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := i.Status(); err == nil {
			t.Errorf("%s: there is an instance", what)
		}
	}
}
