package partner_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/partner"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// heard is what a realm has answered.
type heard struct {
	mu   sync.Mutex
	list []*identity.PartnerAnswer
}

func (h *heard) all() []*identity.PartnerAnswer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// hears notes what a realm answers, as whoever asks opens it.
func (s *side) hears() *heard {
	h := &heard{}
	own := *s.answers.Load()
	spy := pull(func(ctx context.Context, req *v1.PullRequest) (*v1.PullResponse, error) {
		resp, err := own(ctx, req)
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.list = append(h.list, s.opened(resp))
		}
		return resp, err
	})
	s.answers.Store(&spy)
	return h
}

func (s *side) opened(resp *v1.PullResponse) *identity.PartnerAnswer {
	b, err := identity.DecodeKeyBundle(resp.GetKeyBundle())
	s.Must(nil, err)
	_, list, err := b.Follow(b.RealmKey)
	s.Must(nil, err)
	ring, err := list.Keyring()
	s.Must(nil, err)
	a, err := ring.PartnerAnswer(resp.GetAnswer())
	s.Must(nil, err)
	return a
}

// Promise partner-told.
func TestWhatChangesIsToldAtTheNextQuestion(t *testing.T) {
	a, b := answering(t)
	key := b.opts("bob", true)
	both(a, b)
	answers := b.hears()
	day := timestamppb.New(time.Unix(b.Unix.Load(), 0).Add(48 * time.Hour))
	robert := "robert"
	for _, c := range []struct {
		what   string
		change func()
		found  string // the name under which he is found; "": under none
	}{
		{"nothing", func() {}, "bob"},
		{"he is not told to partners any more", func() { b.key("bob", key, false) }, ""},
		{"he is again", func() { b.key("bob", key, true) }, "bob"},
		{"he has another key", func() { key = b.opts("bob", true) }, "bob"},
		{"he is disabled", func() {
			b.Must(b.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "bob", Disabled: true}))
		}, ""},
		{"he is enabled", func() { b.Must(b.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "bob"})) }, "bob"},
		{"he is not valid yet", func() {
			b.Must(b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "bob", ValidFrom: day}))
		}, ""},
		{"he is valid again", func() {
			b.Must(b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "bob", ValidFrom: timestamppb.New(time.Unix(0, 0))}))
		}, "bob"},
		{"he is renamed", func() {
			b.Must(b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "bob", NewName: &robert}))
		}, "robert"},
		{"another has his name", func() {
			b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob"}))
			b.opts("bob", true)
			b.Must(b.Admin.RemoveAccount(t.Context(), servertest.Named("bob")))
		}, "robert"},
		{"he removes his key", func() { b.key("robert", nil, false) }, ""},
		{"he sets one", func() { key = b.opts("robert", true) }, "robert"},
		{"he is removed", func() { b.Must(b.Admin.RemoveAccount(t.Context(), servertest.Named("robert"))) }, ""},
	} {
		c.change()
		both(a, b)
		for _, name := range []string{"bob", "robert"} {
			p, err := a.finds("alice", name, "b.example")
			if found := err == nil; found != (name == c.found) || found && !bytes.Equal(p.GetPublicKey(), key) {
				t.Errorf("%s: %s: %v, %v", c.what, name, p, err)
			}
		}
	}
	for i, is := range answers.all() {
		if is.Full || is.More || len(is.People)+len(is.Gone) > 2 {
			t.Errorf("answer %d: %+v", i, is)
		}
	}
}

// Promise partner-opted.
func TestNobodyIsToldOfWhoHasNotSaidSo(t *testing.T) {
	a, b := answering(t)
	b.opts("carol", false)
	answers := b.hears()
	both(a, b)
	b.opts("carol", false)
	b.Must(b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "carol", NewName: new("caroline")}))
	b.Must(b.Admin.RemoveAccount(t.Context(), servertest.Named("caroline")))
	b.Must(b.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "dora"}))
	both(a, b)
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.CompactChanges(time.Now().Add(time.Hour)) }))
	both(a, b)
	if len(answers.all()) != 3 {
		t.Fatalf("%d answers", len(answers.all()))
	}
	told := 0
	for _, is := range answers.all() {
		told += len(is.People)
		if len(is.Gone) > 0 || len(is.People) > 0 && is.People[0].Name != "bob" {
			t.Errorf("told: %+v", is)
		}
	}
	if told != 1 {
		t.Errorf("told of %d people", told)
	}
}

// Promise partner-both.
func TestBothPeopleMustBeToldToTheOthersRealm(t *testing.T) {
	a, b := two(t)
	both(a, b)
	a.opts("carol", false)
	if _, err := a.finds("carol", "bob", "b.example"); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), `run "sallyport verify --partners=true" first`) {
		t.Errorf("one who is not told to partners: %v", err)
	}
	if _, err := b.finds("bob", "carol", "a.example"); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("and is not seen there: %v", err)
	}
	a.opts("carol", true)
	both(a, b)
	_, err := a.finds("carol", "bob", "b.example")
	a.Must(nil, err)
	_, err = b.finds("bob", "carol", "a.example")
	b.Must(nil, err)
	if _, err := a.finds("dora", "bob", "b.example"); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("one without a key: %v", err)
	}
}

// Promise partner-forgotten.
func TestWhoeverEndsTheTrustHasAllForgotten(t *testing.T) {
	a, b := two(t)
	both(a, b)
	b.Must(b.Admin.RemovePartner(t.Context(), servertest.Named("a.example")))
	if _, err := b.finds("bob", "alice", "a.example"); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("at the one who ended it: %v", err)
	}
	a.asks()
	v := a.shows("b.example")
	if v.GetPeople() != 0 || !strings.Contains(v.GetState(), "b.example does not trust a.example") {
		t.Errorf("at the other: %v", v)
	}
	if _, err := a.finds("alice", "bob", "b.example"); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "does not trust") {
		t.Errorf("at the other: %v", err)
	}
	b.trusts(a)
	b.puller.Start(t.Context())() // whoever was refused asks again once it is asked
	a.puller.Start(t.Context())()
	_, err := a.finds("alice", "bob", "b.example")
	a.Must(nil, err)
	_, err = b.finds("bob", "alice", "a.example")
	b.Must(nil, err)
	if len(a.shows("b.example").GetAlarms())+len(b.shows("a.example").GetAlarms()) != 0 {
		t.Error("an alarm")
	}
}

// Promise partner-stale.
func TestWhatIsOldIsNotUsed(t *testing.T) {
	a, b := asking(t)
	both(a, b)
	dead := pull(func(context.Context, *v1.PullRequest) (*v1.PullResponse, error) {
		return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("all is lost"))
	})
	b.answers.Store(&dead)
	reached := a.Unix.Load()
	for _, c := range []struct {
		days int
		want string
	}{{6, ""}, {8, "b.example was last reached 8 days ago: "}} {
		a.pass(reached + int64(c.days)*24*60*60 - a.Unix.Load())
		a.asks()
		_, err := a.finds("alice", "bob", "b.example")
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "all is lost")) {
			t.Errorf("after %d days: %v", c.days, err)
		}
	}
}

// Promise partner-paged.
func TestAListOfManyPeopleIsToldInParts(t *testing.T) {
	a, b := answering(t)
	key := b.opts("bob", true)
	const most = identity.MaxPartnerPeople
	b.Must(nil, b.Write(t.Context(), func(tx *store.Tx) error {
		for i := range most {
			n, err := tx.AddAccount(store.Account{Account: identity.Account{Name: identity.Name(fmt.Sprintf("p%03d", i)), Home: "/", Shell: "/bin/sh"}, State: identity.Active, ValidUntil: identity.Never})
			if err != nil {
				return err
			}
			if err := tx.SetVerifyKey(n.UUID, store.VerifyKey{Public: key, Made: b.Now(), Partners: true}); err != nil {
				return err
			}
		}
		return nil
	}))
	// The change log does not go back to the middle of the list any more.
	b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "gone"}))
	b.Must(b.Admin.RemoveAccount(t.Context(), servertest.Named("gone")))
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.CompactChanges(time.Now().Add(time.Hour)) }))
	answers := b.hears()
	both(a, b)
	if list := answers.all(); len(list) != 2 || !list[0].Full || !list[0].More || list[1].Full || list[1].More || len(list[0].People) != most || len(list[1].People) != 1 {
		t.Fatalf("%d answers", len(list))
	}
	if n := a.shows("b.example").GetPeople(); n != most+1 {
		t.Errorf("%d people", n)
	}
	for _, name := range []string{"bob", "p000", "p499"} {
		_, err := a.finds("alice", name, "b.example")
		a.Must(nil, err)
	}
}

// Promise partner-restart.
func TestAServerThatIsStoppedGoesOnWhereItWas(t *testing.T) {
	a, b := asking(t)
	ctx, stop := context.WithCancel(t.Context())
	var asked []*identity.PartnerQuestion
	fake := pull(func(_ context.Context, req *v1.PullRequest) (*v1.PullResponse, error) {
		q := b.question(a, req)
		asked = append(asked, q)
		is := b.reply(q)
		is.Position, is.Full, is.More = uint64(len(asked)), len(asked) == 1, len(asked) < 3
		is.People = []identity.PartnerPerson{person(fmt.Sprintf("p%d", len(asked)))}
		if len(asked) == 2 {
			stop() // before it is answered
		}
		return b.signed(is)
	})
	b.answers.Store(&fake)
	a.puller.Start(ctx)()
	if n := a.shows("b.example").GetPeople(); len(asked) != 2 || n != 1 || a.shows("b.example").GetReached() != nil {
		t.Fatalf("%d questions, %d people", len(asked), n)
	}
	a.puller = partner.NewPuller(a.Realm)
	a.asks()
	if len(asked) != 3 || asked[2].Position != 1 || !asked[2].Listing || asked[2].History != asked[1].History || slices.Equal(asked[2].Nonce, asked[1].Nonce) {
		t.Errorf("asked %+v", asked)
	}
	if v := a.shows("b.example"); v.GetPeople() != 2 || v.GetReached() == nil {
		t.Errorf("%v", v)
	}
}

// Promise partner-alone.
func TestOfSeveralServersOneAsks(t *testing.T) {
	a, b := asking(t)
	another := partner.NewPuller(a.Realm) // a database in a file has one server
	if a.Settings.Database != "" {
		another = partner.NewPuller(a.Another().Realm)
	}
	answers := b.hears()
	for range 3 {
		before := len(answers.all())
		wait := another.Start(t.Context())
		a.puller.Start(t.Context())()
		wait()
		if n := len(answers.all()) - before; n > 1 {
			t.Errorf("asked %d times", n)
		}
		a.pass(301)
	}
	if len(answers.all()) == 0 {
		t.Error("nobody asked")
	}
}

// Promise partner-told.
func TestANameThatWasPassedOnIsWhoseItIsNow(t *testing.T) {
	a, b := asking(t)
	bob, robert := person("bob"), person("bob")
	robert.Name = "robert"
	carol := person("carol")
	carol.Name = "bob" // and he is told of later
	pages := [][]identity.PartnerPerson{{bob}, {carol}, {robert}}
	b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
		is := b.reply(q)
		is.Position++
		is.People, is.More, pages = pages[0], len(pages) == 2, pages[1:]
		return b.signed(is)
	})
	a.asks()
	a.asks()
	for name, want := range map[string]identity.PartnerPerson{"bob": carol, "robert": robert} {
		p, err := a.finds("alice", name, "b.example")
		a.Must(nil, err)
		if !bytes.Equal(p.GetId(), want.ID[:]) {
			t.Errorf("%s is %v", name, p)
		}
	}
}
