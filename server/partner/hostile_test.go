package partner_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise partner-hostile.
func TestNoAnswerCountsThatIsNotThePartnersToThisQuestion(t *testing.T) {
	a, b := asking(t)
	c := inFile(t, "c.example")
	both(a, b)
	var old *v1.PullResponse
	b.says(a, func(q *identity.PartnerQuestion) (_ *v1.PullResponse, err error) {
		old, err = b.signed(b.reply(q))
		return old, err
	})
	a.asks()
	before := a.shows("b.example").GetReached()
	with := func(change func(*identity.PartnerAnswer)) func(*identity.PartnerQuestion) (*v1.PullResponse, error) {
		return func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			is := b.reply(q)
			is.People = []identity.PartnerPerson{person("mallory")}
			change(is)
			return b.signed(is)
		}
	}
	for _, c := range []struct {
		what   string
		answer func(*identity.PartnerQuestion) (*v1.PullResponse, error)
	}{
		{"an old answer", func(*identity.PartnerQuestion) (*v1.PullResponse, error) { return old, nil }},
		{"for another realm", with(func(is *identity.PartnerAnswer) { is.Audience = "c.example" })},
		{"to another question", with(func(is *identity.PartnerAnswer) { is.Nonce = make([]byte, 32) })},
		{"of another realm", with(func(is *identity.PartnerAnswer) { is.Realm = "c.example" })},
		{"as this realm", with(func(is *identity.PartnerAnswer) { is.Realm, is.Audience = "a.example", "b.example" })},
		{"of an hour ago", with(func(is *identity.PartnerAnswer) { is.Time -= 3600 })},
		{"from before where it had come", with(func(is *identity.PartnerAnswer) { is.Position-- })},
		{"with another realm's key list", func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			is := c.reply(q)
			is.Realm = "b.example"
			resp, err := c.signed(is)
			resp.KeyBundle = c.list(func(l *identity.KeyList) { l.Realm, l.Version = "b.example", l.Version+1<<60 })
			return resp, err
		}},
		{"signed with another realm's key", func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			is := c.reply(q)
			is.Realm = "b.example"
			resp, err := c.signed(is)
			if err == nil {
				resp.KeyBundle, _ = b.bundle()
			}
			return resp, err
		}},
		{"that is too long", func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			resp, err := with(func(*identity.PartnerAnswer) {})(q)
			resp.Answer = append(resp.Answer, make([]byte, 3<<20)...)
			return resp, err
		}},
		{"empty", func(*identity.PartnerQuestion) (*v1.PullResponse, error) { return &v1.PullResponse{}, nil }},
		{"of a server that only reads", func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			resp, err := with(func(*identity.PartnerAnswer) {})(q)
			if err == nil {
				resp.KeyBundle = b.list(func(l *identity.KeyList) { l.Version++; l.ReadOnly, l.Keys = l.Keys, [][]byte{make([]byte, 32)} })
			}
			return resp, err
		}},
	} {
		b.says(a, c.answer)
		a.asks()
		v := a.shows("b.example")
		if v.GetFault() == "" || !v.GetReached().AsTime().Equal(before.AsTime()) {
			t.Errorf("%s: %v", c.what, v)
		}
		if _, err := a.finds("alice", "mallory", "b.example"); err == nil {
			t.Errorf("%s is taken", c.what)
		}
	}
	b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
		resp, err := with(func(*identity.PartnerAnswer) {})(q)
		resp.KeyBundle = b.list(func(l *identity.KeyList) { l.Version += 2 })
		return resp, err
	})
	a.asks()
	_, err := a.finds("alice", "mallory", "b.example")
	a.Must(nil, err)
}

// Promise partner-hostile.
func TestNobodyOfAPartnerIsSomebodyOfAnotherRealm(t *testing.T) {
	a, b := asking(t)
	a.Password("alice", servertest.Right)
	own := a.opts("carol", true)
	both(a, b)
	b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
		is, alice, carol := b.reply(q), person("alice"), person("mallory")
		alice.ID, carol.ID = a.Account("alice").UUID, a.Account("carol").UUID
		is.Full, is.People, is.Gone = false, []identity.PartnerPerson{alice, carol}, []uuid.UUID{a.Account("dora").UUID}
		return b.signed(is)
	})
	a.asks()
	p, err := a.finds("alice", "carol", "")
	a.Must(nil, err)
	if !bytes.Equal(p.GetPublicKey(), own) || p.GetRealm() != "a.example" {
		t.Errorf("carol is %v", p)
	}
	p, err = a.finds("carol", "alice", "b.example")
	a.Must(nil, err)
	if p.GetRealm() != "b.example" || bytes.Equal(p.GetPublicKey(), own) {
		t.Errorf("alice of b.example is %v", p)
	}
	if !a.LogsIn("alice", servertest.Right) {
		t.Error("alice does not get in")
	}
}

// Promise partner-flood.
func TestAnswersWithoutAnEndAreNotWaitedFor(t *testing.T) {
	a, b := asking(t)
	var asked atomic.Int64
	b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
		is := b.reply(q)
		is.More, is.Position = true, uint64(asked.Add(1))
		return b.signed(is)
	})
	a.puller.Start(t.Context())()
	if n := asked.Load(); n != 20 {
		t.Errorf("asked %d times", n)
	}
	if v := a.shows("b.example"); v.GetReached() != nil {
		t.Errorf("%v", v)
	}
}

// Promise partner-flood.
func TestAPartnerThatHangsHoldsUpNobody(t *testing.T) {
	a, b := asking(t)
	a.Password("alice", servertest.Right)
	hangs, release := make(chan struct{}), make(chan struct{})
	slow := pull(func(context.Context, *v1.PullRequest) (*v1.PullResponse, error) {
		close(hangs)
		<-release
		return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("late"))
	})
	b.answers.Store(&slow)
	wait := a.puller.Start(t.Context())
	<-hangs
	c := inFile(t, "c.example")
	c.Must(c.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "carl"}))
	c.trusts(a)
	a.trusts(c)
	c.opts("carl", true)
	a.puller.Start(t.Context())() // b is being asked, so c alone is waited for
	_, err := a.finds("alice", "carl", "c.example")
	a.Must(nil, err)
	if !a.LogsIn("alice", servertest.Right) {
		t.Error("alice does not get in")
	}
	close(release)
	wait()
	if v := a.shows("b.example"); !strings.Contains(v.GetFault(), "late") {
		t.Errorf("%v", v)
	}
}

// Promise partner-flood.
func TestOfOnePartnerNoMorePeopleAreKeptThanMayBe(t *testing.T) {
	a, b := asking(t)
	if a.puller.Most != 100_000 {
		t.Errorf("%d people", a.puller.Most)
	}
	a.puller.Most = 2
	tells := func(names ...string) {
		b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
			is := b.reply(q)
			is.Position++
			for _, name := range names {
				is.People = append(is.People, person(name))
			}
			return b.signed(is)
		})
	}
	tells("p1", "p2")
	a.raises("as many as may be", b, "", 0)
	tells("p2", "p3")
	a.raises("one more", b, "people", 1)
	if v := a.shows("b.example"); v.GetPeople() != 2 || v.GetFault() == "" {
		t.Errorf("%v", v)
	}
	if _, err := a.finds("alice", "p3", "b.example"); err == nil {
		t.Error("one too many is taken")
	}
	tells()
	a.raises("no more", b, "", 1)
}
