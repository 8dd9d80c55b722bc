package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// machineWithStaticEpoch is a machine whose server tells of no change, and whose entries last for
// an hour.
func machineWithStaticEpoch(t *testing.T) (*testMachine, identity.IDToken) {
	t.Helper()
	h := newTestMachine(t, func(h *testMachine) {
		h.groups = &groupServer{groups: map[uuid.UUID]identity.Group{stuff.UUID: stuff}}
		h.policy.RefreshEvery = time.Hour
	})
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.run()
	if _, err := h.d.AccountByName(bg, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.d.GroupByName(bg, "stuff"); err != nil {
		t.Fatal(err)
	}
	return h, tok
}

func (h *testMachine) refresh(args string) (r report.Refreshed, err error) {
	err = h.d.Handle(bg, identity.Peer{}, report.VerbCacheRefresh, []byte(args), func(v any) error { r = v.(report.Refreshed); return nil })
	return r, err
}

func (h *testMachine) home() string {
	a, err := h.d.AccountByName(bg, "alice")
	if err != nil {
		return err.Error()
	}
	return a.Home
}

// Promise refresh-forced.
func TestOneAccountIsFetchedAnewWhenRootAsks(t *testing.T) {
	h, tok := machineWithStaticEpoch(t)
	h.srv.set(t, tok, func(p *person) { p.token.Account.Home = "/moved" })
	if got := h.home(); got != "/home/alice" {
		t.Fatalf("it is told at once: %s", got)
	}
	if r, err := h.refresh(`{"name":"ALICE"}`); err != nil || r != (report.Refreshed{Accounts: 1}) || h.home() != "/moved" {
		t.Errorf("%+v, %v, %s", r, err, h.home())
	}
	h.srv.be(down)
	if _, err := h.refresh(`{"name":"alice"}`); !errors.Is(err, identity.ErrUnavailable) || h.home() != "/moved" {
		t.Errorf("without the server: %v, %s", err, h.home())
	}
	h.srv.be(up)
	h.srv.set(t, tok, func(p *person) {
		p.token.Account.UID, p.token.Groups[0].GID, p.token.Account.GID = 1900000200, 1900000200, 1900000200
	})
	if _, err := h.refresh(`{"name":"alice"}`); err == nil || !strings.Contains(err.Error(), "refuses what the server has") {
		t.Errorf("what is refused here: %v", err)
	}
	if h.d.Directory().Named("alice") == nil || h.d.RefusedWhy("alice") == "" {
		t.Error("who was renumbered is taken for gone")
	}
}

// Promise refresh-forced.
func TestOneThatIsGoneIsForgottenWhenRootAsks(t *testing.T) {
	h, tok := machineWithStaticEpoch(t)
	h.srv.remove(tok.Account.UUID)
	if r, err := h.refresh(`{"name":"alice"}`); err != nil || !r.Gone || h.d.Directory().Named("alice") != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// Promise refresh-forced.
func TestAllThatIsRememberedIsFetchedAnewWhenRootAsks(t *testing.T) {
	h, tok := machineWithStaticEpoch(t)
	h.srv.set(t, tok, func(p *person) { p.token.Account.Home = "/moved" })
	renamed := stuff
	renamed.Name = "crew"
	h.groups.set(renamed)
	if r, err := h.refresh(""); err != nil || r != (report.Refreshed{Accounts: 1, Groups: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
	h.wait("the account", func() bool { return h.home() == "/moved" })
	h.wait("the group", func() bool { g, err := h.d.GroupByGID(bg, stuff.GID); return err == nil && g.Name == "crew" })
	// It is over then: what is as old as the question is fetched once more, and no more.
	h.clk.pass(2 * time.Second)
	if h.d.IsOld(h.d.Clock().Now()) {
		t.Error("what was fetched after it is old")
	}
	// A clock that was ahead makes nothing old for ever.
	now := h.d.Clock().Now()
	h.d.Clock().Contact(now.Add(time.Hour))
	h.d.ForceRefresh()
	h.d.Clock().Contact(now)
	if h.d.IsOld(h.d.Clock().Now()) {
		t.Error("a moment ahead makes all old")
	}
}

// Promise refresh-forced.
func TestWhereTheServerTellsThereIsNothingToFetch(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	if r, err := h.refresh(""); err != nil || r != (report.Refreshed{Told: true}) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := h.refresh(`{"name":"alice"}`); err != nil || r != (report.Refreshed{Accounts: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEachRealmFetchesItsOwnAnew(t *testing.T) {
	w := newTwoRealms(t)
	ask := func(args string) (all []report.Refreshed) {
		t.Helper()
		must(t, w.Handle(bg, identity.Peer{}, report.VerbCacheRefresh, []byte(args), func(v any) error {
			all = append(all, v.(report.Refreshed))
			return nil
		}))
		return all
	}
	first, second := w.first.srv.fetches.Load(), w.second.srv.fetches.Load()
	if got := ask(`{"name":"carol"}`); len(got) != 1 || got[0].Accounts != 1 {
		t.Errorf("carol: %+v", got)
	}
	if w.first.srv.fetches.Load() != first || w.second.srv.fetches.Load() == second {
		t.Error("another realm was asked for her")
	}
	if got := ask(""); len(got) != 2 {
		t.Errorf("all: %+v", got)
	}
}
