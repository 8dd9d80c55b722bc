package identity_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// partnerKey is the public half of a key that is the same in every run.
func partnerKey(t testing.TB, n int64) []byte {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(big.NewInt(n).FillBytes(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k.PublicKey().Bytes()
}

func someQuestion() *identity.PartnerQuestion {
	return &identity.PartnerQuestion{
		Realm: "a.example", Audience: "b.example", Nonce: bytes.Repeat([]byte{7}, 32), Time: 1_800_000_000, History: uuid.NewSHA1(uuid.Nil, []byte("h")), Position: 42, Listing: true,
	}
}

func someAnswer(t testing.TB) *identity.PartnerAnswer {
	return &identity.PartnerAnswer{
		Realm: "b.example", Audience: "a.example", Nonce: bytes.Repeat([]byte{7}, 32), Time: 1_800_000_000, Organisation: "Bravo Ltd.",
		History: uuid.NewSHA1(uuid.Nil, []byte("h")), Position: 43, Full: true, More: true, Gone: []uuid.UUID{uuid.NewSHA1(uuid.Nil, []byte("gone"))},
		People: []identity.PartnerPerson{{
			ID: uuid.NewSHA1(uuid.Nil, []byte("bob")), Name: "bob", FullName: "Bob Smith", Public: partnerKey(t, 1), Made: 1_700_000_000, ValidUntil: identity.Never, ServerHeld: true,
		}},
	}
}

// Promise partner-form.
func TestWhatPartnersSayVerifiesAsThatAloneAndOfThatRealmAlone(t *testing.T) {
	pub, a := realmPair(t, 1)
	question, err := a.SignPartnerQuestion(someQuestion())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.SignPartnerAnswer(someAnswer(t))
	if err != nil {
		t.Fatal(err)
	}
	ring := func(realm string, keys ...ed25519.PublicKey) *identity.Keyring {
		k, err := identity.NewKeyring(realm, keys)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if q, err := ring("a.example", pub).PartnerQuestion(question); err != nil || !reflect.DeepEqual(q, someQuestion()) {
		t.Errorf("%+v, %v", q, err)
	}
	if is, err := ring("b.example", pub).PartnerAnswer(answer); err != nil || !reflect.DeepEqual(is, someAnswer(t)) {
		t.Errorf("%+v, %v", is, err)
	}
	other, _ := realmPair(t, 2)
	list := &identity.KeyList{Realm: "a.example", Version: 1, Keys: [][]byte{other}, ReadOnly: [][]byte{pub}}
	reads, err := list.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	for what, k := range map[string]*identity.Keyring{"another key": ring("a.example", other), "another realm": ring("z.example", pub), "a server that only reads": reads, "none": {}} {
		if _, err := k.PartnerQuestion(question); !errors.Is(err, identity.ErrToken) {
			t.Errorf("a question, %s: %v", what, err)
		}
		if _, err := k.PartnerAnswer(answer); !errors.Is(err, identity.ErrToken) {
			t.Errorf("an answer, %s: %v", what, err)
		}
	}
	for sort, good := range map[string]bool{"application/sallyport-partner-answer+cbor": true, "application/sallyport-partner-question+cbor": false} {
		payload, err := cbor.Marshal(someAnswer(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring("b.example", pub).PartnerAnswer(signedPayload(t, sort, 1, payload)); (err == nil) != good {
			t.Errorf("%s: %v", sort, err)
		}
	}
	if _, err := ring("a.example", pub).PartnerAnswer(question); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a question for an answer: %v", err)
	}
	if _, err := ring("b.example", pub).PartnerQuestion(answer); !errors.Is(err, identity.ErrToken) {
		t.Errorf("an answer for a question: %v", err)
	}
}

// Promise partner-form.
func TestWhatPartnersSayKeepsItsLimits(t *testing.T) {
	for what, spoil := range map[string]func(*identity.PartnerQuestion){
		"no realm":          func(q *identity.PartnerQuestion) { q.Realm = "" },
		"a long realm":      func(q *identity.PartnerQuestion) { q.Audience = strings.Repeat("a", 91) },
		"a realm of a line": func(q *identity.PartnerQuestion) { q.Audience = "a\nb" },
		"itself":            func(q *identity.PartnerQuestion) { q.Audience = q.Realm },
		"a short nonce":     func(q *identity.PartnerQuestion) { q.Nonce = q.Nonce[:15] },
		"a long nonce":      func(q *identity.PartnerQuestion) { q.Nonce = make([]byte, 33) },
		"no time":           func(q *identity.PartnerQuestion) { q.Time = 0 },
	} {
		q := someQuestion()
		spoil(q)
		if err := q.Validate(); !errors.Is(err, identity.ErrToken) {
			t.Errorf("a question with %s: %v", what, err)
		}
	}
	for what, spoil := range map[string]func(*identity.PartnerAnswer){
		"no nonce":                   func(a *identity.PartnerAnswer) { a.Nonce = nil },
		"no history":                 func(a *identity.PartnerAnswer) { a.History = uuid.Nil },
		"a long organisation":        func(a *identity.PartnerAnswer) { a.Organisation = strings.Repeat("a", 201) },
		"an organisation of a line":  func(a *identity.PartnerAnswer) { a.Organisation = "a\nb" },
		"an organisation turned":     func(a *identity.PartnerAnswer) { a.Organisation = "\u202edtL ovarB" },
		"somebody without uuid":      func(a *identity.PartnerAnswer) { a.People[0].ID = uuid.Nil },
		"somebody without name":      func(a *identity.PartnerAnswer) { a.People[0].Name = "" },
		"somebody of another realm":  func(a *identity.PartnerAnswer) { a.People[0].Name = "bob@a.example" },
		"a name in capitals":         func(a *identity.PartnerAnswer) { a.People[0].Name = "Bob" },
		"a full name of a line":      func(a *identity.PartnerAnswer) { a.People[0].FullName = "a\nb" },
		"half a key":                 func(a *identity.PartnerAnswer) { a.People[0].Public = a.People[0].Public[:33] },
		"a key off the curve":        func(a *identity.PartnerAnswer) { a.People[0].Public = append([]byte{4}, make([]byte, 64)...) },
		"a key without a time":       func(a *identity.PartnerAnswer) { a.People[0].Made = 0 },
		"dates before 1970":          func(a *identity.PartnerAnswer) { a.People[0].ValidFrom = -1 },
		"somebody twice":             func(a *identity.PartnerAnswer) { a.People = append(a.People, a.People[0]) },
		"one name twice":             func(a *identity.PartnerAnswer) { a.People = append(a.People, a.People[0]); a.People[1].ID = uuid.New() },
		"somebody who is gone":       func(a *identity.PartnerAnswer) { a.Gone = []uuid.UUID{a.People[0].ID} },
		"somebody gone without uuid": func(a *identity.PartnerAnswer) { a.Gone = []uuid.UUID{uuid.Nil} },
		"too many people":            func(a *identity.PartnerAnswer) { a.Gone = manyIDs(500) },
	} {
		a := someAnswer(t)
		spoil(a)
		if err := a.Validate(); !errors.Is(err, identity.ErrToken) {
			t.Errorf("an answer with %s: %v", what, err)
		}
	}
	a := someAnswer(t)
	a.Gone = manyIDs(499)
	if err := a.Validate(); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	p := a.People[0]
	p.ValidFrom, p.ValidUntil = 100, 200
	for at, want := range map[int64]bool{99: false, 100: true, 200: true, 201: false} {
		if p.ValidAt(time.Unix(at, 0)) != want {
			t.Errorf("valid at %d: %v", at, !want)
		}
	}
}

func manyIDs(n int) (ids []uuid.UUID) {
	for i := range n {
		ids = append(ids, uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)))
	}
	return ids
}

// What a partner's key has signed, whatever it is, is an answer that keeps the rules or none.
// Promise partner-form.
func FuzzPartner(f *testing.F) {
	pub, _ := realmPair(f, 1)
	question, err1 := cbor.Marshal(someQuestion())
	answer, err2 := cbor.Marshal(someAnswer(f))
	if err := errors.Join(err1, err2); err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{question, answer, question[:len(question)/2], answer[:len(answer)-1], {}} {
		f.Add(b)
	}
	asks, err1 := identity.NewKeyring("a.example", []ed25519.PublicKey{pub})
	answers, err2 := identity.NewKeyring("b.example", []ed25519.PublicKey{pub})
	if err := errors.Join(err1, err2); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		q, err := asks.PartnerQuestion(signedPayload(t, "application/sallyport-partner-question+cbor", 1, payload))
		if err != nil && !errors.Is(err, identity.ErrToken) {
			t.Errorf("%v is no token error", err)
		} else if err == nil && (q.Realm != "a.example" || len(q.Nonce) < 16) {
			t.Errorf("%+v", q)
		}
		a, err := answers.PartnerAnswer(signedPayload(t, "application/sallyport-partner-answer+cbor", 1, payload))
		if err != nil && !errors.Is(err, identity.ErrToken) {
			t.Errorf("%v is no token error", err)
		} else if err == nil && (a.Realm != "b.example" || len(a.People)+len(a.Gone) > identity.MaxPartnerPeople) {
			t.Errorf("%+v", a)
		}
	})
}
