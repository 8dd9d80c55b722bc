package daemon

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"

	_ "github.com/mattn/go-sqlite3"

	"github.com/sallyport-auth/sallyport/identity"
)

const (
	oneAddress   = "https://id.example"
	otherAddress = "https://id.other.example"
)

// moved starts the machine with another address of the same server.
func (h *testMachine) moved(address string) {
	h.t.Helper()
	h.stop()
	h.srv.address = address
	h.start()
	h.run()
}

// stores changes the database as an older release had left it.
func (h *testMachine) stores(queries ...string) {
	h.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(h.dir, "cache.db"))
	must(h.t, err)
	for _, q := range queries {
		_, err := db.ExecContext(bg, q)
		must(h.t, err)
	}
	must(h.t, db.Close())
}

// subIDs are those that alice was given.
func (h *testMachine) subIDs() uint32 {
	h.t.Helper()
	r, err := h.d.SubIDsOf(bg, identity.Peer{}, "alice")
	must(h.t, err)
	return r.Min
}

func remembersAlice(h *testMachine, subs uint32) {
	h.t.Helper()
	if h.known("alice") == nil || h.d.Directory().BoundUID(h.alice()) != 1900000100 {
		h.t.Error("alice, or whose uid hers is, is forgotten")
	}
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
	if got := h.subIDs(); got != subs {
		h.t.Errorf("subordinate ids begin at %d, they did at %d", got, subs)
	}
}

// Promise server-address.
func TestAnotherAddressOfTheServerChangesNothing(t *testing.T) {
	h := remembered(t, nil)
	subs := h.subIDs()
	for _, address := range []string{otherAddress, oneAddress} {
		h.srv.be(down)
		h.moved(address)
		if !h.d.Contact().Complete {
			t.Error("what is known is not known to be everything")
		}
		remembersAlice(h, subs)
		h.srv.be(up)
		h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
		remembersAlice(h, subs)
	}
}

// suffered is the database of a machine whose server's address was changed, and changed
// back, under an older release: the tokens lie under the one name, what else there is
// under the other, and each of both claims to have everything.
func (h *testMachine) suffered() {
	h.stores(
		`UPDATE tokens SET provider = 'fake `+otherAddress+`'`,
		`UPDATE ids SET provider = 'fake `+oneAddress+`'`,
		`UPDATE subids SET provider = 'fake `+oneAddress+`'`,
		`UPDATE contact SET provider = 'fake `+oneAddress+`'`,
		`INSERT INTO contact SELECT 'fake `+otherAddress+`', position, complete, at, history, disowned, lost_at, lost_why FROM contact`,
	)
}

// Promise server-address.
func TestADatabaseTornByAnAddressChangeIsHealed(t *testing.T) {
	for sentence, address := range map[string]string{
		"at the first address": oneAddress, "at the second": otherAddress, "at a third": "https://id.third.example",
	} {
		t.Run(sentence, func(t *testing.T) {
			h := remembered(t, nil)
			h.srv.set(t, token("bob", 1900000101), nil)
			h.srv.be(up)
			h.wait("bob", func() bool { return h.known("bob") != nil })
			subs := h.subIDs()
			h.stop()
			h.srv.be(down)
			h.suffered()
			h.stores(`DELETE FROM tokens WHERE name = 'bob'`) // and some are lost for good
			h.srv.address = address
			h.start()
			h.run()
			if h.d.Contact().Complete {
				t.Error("it still claims to know everybody")
			}
			remembersAlice(h, subs)
			h.srv.be(up)
			h.wait("bob", func() bool { return h.known("bob") != nil })
			remembersAlice(h, subs)
		})
	}
}

// Promise server-address.
func TestRowsOfAnotherRealmAreNotAdopted(t *testing.T) {
	h := remembered(t, nil)
	h.stop()
	h.srv.be(down)
	h.stores(
		`INSERT INTO ids (provider, kind, id, uuid) VALUES ('sallyport https://elsewhere', 'uid', 1900000555, randomblob(16))`,
		`INSERT INTO tokens (provider, uuid, name, uid, gid, revision, signed, fetched_at)
			VALUES ('sallyport https://elsewhere', randomblob(16), 'eve', 1900000555, 1900000555, 1, x'00', 1)`,
	)
	h.start()
	h.run()
	if !h.d.Contact().Complete || h.known("eve") != nil {
		t.Error("another realm's rows count as this one's")
	}
	h.give(token("dora", 1900000555))
	if h.known("dora") == nil {
		t.Errorf("another realm's number is held against dora: %s", h.refusedFor("dora"))
	}
}
