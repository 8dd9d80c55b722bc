package partner_test

import (
	"bytes"
	"strings"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// Promise partner-told.
func TestPeopleOfPartnersAreFoundWithTheirRealm(t *testing.T) {
	a, b := two(t)
	b.Must(b.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Organisation: new("Bravo Ltd.")}))
	both(a, b)
	his := b.opts("bob", true)
	both(a, b)
	p, err := a.finds("alice", "bob", "B.example")
	a.Must(nil, err)
	id := b.Account("bob").UUID
	if !bytes.Equal(p.GetId(), id[:]) || p.GetName() != "bob" || p.GetFullName() != "Bob Smith" || !bytes.Equal(p.GetPublicKey(), his) ||
		p.GetRealm() != "b.example" || p.GetOrganisation() != "Bravo Ltd." || p.GetDomain() != "127.0.0.1" || p.GetTold().AsTime().Unix() != a.Unix.Load() || p.GetServerHeld() {
		t.Errorf("%v", p)
	}
	if v := a.shows("b.example"); v.GetPeople() != 1 || v.GetState() != "trusts this realm" || v.GetFault() != "" || len(v.GetAlarms()) != 0 {
		t.Errorf("%v", v)
	}
	if _, err := a.finds("alice", "carol", "b.example"); connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "--partners") {
		t.Errorf("somebody without a key: %v", err)
	}
	if _, err := a.finds("alice", "bob", "c.example"); connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "c.example is no partner of a.example") {
		t.Errorf("a realm that is no partner: %v", err)
	}
}

// Promise partner-back.
func TestAPartnerThatAsksIsAskedAtOnceWhereItCouldNotBe(t *testing.T) {
	a, b := newSide(t, "a.example"), newSide(t, "b.example")
	a.trusts(b)
	b.opts("alice", true)
	a.asks()
	if v := a.shows("b.example"); v.GetState() == "trusts this realm" || v.GetFault() == "" {
		t.Fatalf("it has not agreed yet: %v", v)
	}
	b.trusts(a)
	b.puller.Start(t.Context())()
	a.puller.Start(t.Context())()
	if v := a.shows("b.example"); v.GetState() != "trusts this realm" || v.GetPeople() != 1 {
		t.Errorf("the other side has agreed since, and asked: %v", v)
	}
}
