package verification_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// of is what ada's realm says of somebody of a partner.
func (s *side) of(realm string) provider.VerifyPerson {
	p := s.told()
	p.Realm, p.Organisation, p.Domain, p.Told = realm, "B Ltd", "id."+realm, time.Unix(1_800_000_000, 0)
	return p
}

func (s *side) learnsOf(p provider.VerifyPerson) {
	s.t.Helper()
	s.must(s.Learn(s.t.Context(), s.id, p, s.told()))
}

func (s *side) saysTo(name, realm string) report.VerifyCall {
	s.t.Helper()
	c, _, err := s.Say(s.t.Context(), s.id, verification.Who{Name: name, Realm: realm})
	s.must(err)
	return c
}

// Promise verify-realms.
func TestAPartnersWordTouchesNothingOfOnesOwnRealm(t *testing.T) {
	ada, bob, now := two(t)
	ada.learnsOf(bob.of("exarnple"))
	if c := ada.saysTo("bob", "exarnple"); fmt.Sprint(c.LooksLike, c.RealmLooksLike) != "[] [example]" {
		t.Errorf("before anybody was confirmed: %q, %q", c.LooksLike, c.RealmLooksLike)
	}
	ada.hears(bob, bob.says(ada).Say, verify.Confirmed)
	was := ada.says(bob)
	evil := newSide(t, "bob", now)
	evil.id = bob.id // the partner gives somebody bob's id, and his name
	ada.learnsOf(evil.of("examp1e"))
	if c := ada.says(bob); fmt.Sprint(c) != fmt.Sprint(was) {
		t.Errorf("after a partner's word: %+v, before it: %+v", c, was)
	}
	c := ada.saysTo("bob", "Examp1e")
	switch {
	case c.OwnRealm || c.Realm != "examp1e" || c.Organisation != "B Ltd" || c.Domain != "id.examp1e" || c.Told.Unix() != 1_800_000_000:
		t.Errorf("the partner's: %+v", c)
	case c.Key != verify.First || !c.Confirmed.IsZero():
		t.Errorf("bob's confirmation counts for another: %+v", c)
	case fmt.Sprint(c.LooksLike, c.RealmLooksLike) != "[bob@example] [example]":
		t.Errorf("what looks alike: %q, %q", c.LooksLike, c.RealmLooksLike)
	}
	for range 5 {
		_, is, err := ada.Hear(t.Context(), ada.id, verification.Who{Name: "bob", Realm: "examp1e"}, report.VerifyHeard{PublicKey: evil.key.Public, Code: other(c.Say)})
		if err != nil || is != (verification.Person{Realm: "examp1e", ID: bob.id}) {
			t.Fatal(is, err)
		}
	}
	if ada.saysTo("bob", "examp1e").LockedUntil.IsZero() || !ada.says(bob).LockedUntil.IsZero() {
		t.Error("wrong codes of one counted against the other")
	}
}

// Promise verify-realms.
func TestACodeIsOfTheTwoRealmsThatThePeopleAreOf(t *testing.T) {
	at := time.Unix(1_800_000_030, 0)
	ada, bob := newSide(t, "ada", &at), newSideOf(t, "b.example", "bob", &at)
	ada.learnsOf(bob.of("b.example"))
	bob.learnsOf(ada.of("example"))
	v, _, err := ada.Hear(t.Context(), ada.id, verification.Who{Name: "bob", Realm: "b.example"}, report.VerifyHeard{PublicKey: bob.key.Public, Code: bob.saysTo("ada", "example").Say})
	if err != nil || v.Verdict != verify.Confirmed {
		t.Errorf("%+v, %v", v, err)
	}
	ada.learns(bob) // as one of her own realm, with the same key and id
	at = at.Add(time.Minute)
	if v, _, err := ada.Hear(t.Context(), ada.id, verification.Who{Name: "bob"}, report.VerifyHeard{PublicKey: bob.key.Public, Code: bob.saysTo("ada", "example").Say}); err != nil || v.Verdict != verify.Wrong {
		t.Errorf("a code of another realm's bob: %+v, %v", v, err)
	}
	p, own := bob.of("b.example"), ada.told()
	own.Partners = true
	p.ServerHeld, own.ServerHeld, p.RealmLooksLike = true, true, []string{"bb.example", "d.example"}
	ada.must(ada.Learn(t.Context(), ada.id, p, own))
	if c := ada.saysTo("bob", "b.example"); !c.ServerHeld || !c.OwnServerHeld || fmt.Sprint(c.RealmLooksLike) != "[bb.example d.example]" || c.Key != verify.Same {
		t.Errorf("%+v", c)
	}
	if k, err := ada.Key(t.Context(), ada.id); err != nil || !k.Partners || !bytes.Equal(k.Sealed, ada.key.Sealed) {
		t.Errorf("the realm tells partners of her key: %+v, %v", k, err)
	}
}
