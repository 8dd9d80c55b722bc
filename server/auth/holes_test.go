package auth

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// withoutEach calls f for each table of the database, while that cannot be read.
func (b *bench) withoutEach(f func(table string)) {
	b.t.Helper()
	db := postgres.Raw(b.t, b.Settings.Database, b.Dir.Database())
	for _, n := range tablesOf(b, db) {
		_, err := db.ExecContext(b.t.Context(), `ALTER TABLE "`+n+`" RENAME TO gone`)
		b.must(nil, err)
		f(n)
		_, err = db.ExecContext(b.t.Context(), `ALTER TABLE gone RENAME TO "`+n+`"`)
		b.must(nil, err)
	}
}

func tablesOf(b *bench, db *sql.DB) (names []string) {
	b.t.Helper()
	list := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	if shared != nil {
		list = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
	}
	rows, err := db.QueryContext(b.t.Context(), list)
	b.must(nil, err)
	defer rows.Close()
	for rows.Next() {
		var n string
		b.must(nil, rows.Scan(&n))
		names = append(names, n)
	}
	b.must(nil, rows.Err())
	return names
}

// proves goes through a login by these, and tells whether it is allowed.
func (b *bench) proves(password, code string) bool {
	a, err := b.admit(&session{client: machineAsClient(b.box), name: "alice", origin: "host 192.0.2.1", service: "test", remoteHost: "host"})
	if err != nil {
		return false
	}
	a, err = b.step(b.t.Context(), machineAsClient(b.box), a.cookie, identity.Password, identity.NewSecret([]byte(password)), false)
	if err == nil && code != "" && !a.allow {
		a, err = b.step(b.t.Context(), machineAsClient(b.box), a.cookie, identity.TOTP, identity.NewSecret([]byte(code)), false)
	}
	return err == nil && a.allow
}

// signs goes through a login by card.
func (b *bench) signs(c *softCard, what identity.CardChallenge) bool {
	a, err := b.admit(&session{client: machineAsClient(b.box), name: "alice", origin: "seat", service: "test"})
	if err != nil {
		return false
	}
	what.Nonce = a.nonce
	if what.Nonce == (identity.Nonce{}) { // no card is asked for
		what.Nonce = identity.Nonce{Value: [identity.NonceLen]byte{1}, Time: b.unix.Load()}
	}
	a, err = b.step(b.t.Context(), machineAsClient(b.box), a.cookie, identity.PIV, identity.NewSecret([]byte(encoded(b.t, c.proof(b.t, what)))), false)
	return err == nil && a.allow
}

// enrols goes through the enrolment of a card, and tells whether it becomes hers.
func (b *bench) enrols(c *softCard) bool {
	a, err := b.admit(&session{client: machineAsClient(b.box), name: "alice", origin: "seat", service: "test", enrol: identity.PIV})
	if err == nil {
		a, err = b.step(b.t.Context(), machineAsClient(b.box), a.cookie, identity.Password, identity.NewSecret([]byte(right)), false)
	}
	if err != nil || a.nonce == (identity.Nonce{}) {
		return false
	}
	account := uuid.NewSHA1(uuid.NameSpaceDNS, []byte("alice"))
	_ = b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		found, err := tx.AccountByName("alice")
		if err == nil {
			account = found.UUID
		}
		return err
	})
	p := c.proof(b.t, identity.CardChallenge{Realm: b.Name, Machine: b.box.UUID, Account: account, Service: "test", Nonce: a.nonce})
	p.Certificate = c.der
	a, err = b.step(b.t.Context(), machineAsClient(b.box), a.cookie, identity.NewPIV, identity.NewSecret([]byte(encoded(b.t, p))), false)
	return err == nil && a.allow
}

// Whatever of the database cannot be read, nobody is let in who would not be otherwise.
// Promise damage-unreadable.
func TestAHoleInTheDatabaseLetsNobodyIn(t *testing.T) {
	for what, make := range map[string]func(b *bench) (attempt func() bool){
		"a wrong password": func(b *bench) func() bool { return func() bool { b.unix.Add(7200); return b.proves("wrong", "") } },
		"a password without its code": func(b *bench) func() bool {
			b.totp()
			return func() bool { b.unix.Add(7200); return b.proves(right, "") }
		},
		"a wrong code": func(b *bench) func() bool {
			b.totp()
			return func() bool { b.unix.Add(7200); return b.proves(right, "000000") }
		},
		"a code that was used": func(b *bench) func() bool {
			b.totp()
			code := b.code(0)
			if !b.proves(right, code) {
				b.t.Error("the code is no good at all")
			}
			return func() bool { return b.proves(right, code) }
		},
		"a name that is locked": func(b *bench) func() bool {
			for range originBrake.From {
				b.proves("wrong", "")
			}
			return func() bool { return b.proves(right, "") }
		},
		"an account that is disabled": func(b *bench) func() bool {
			b.must(b.admin.SetAccountState(b.t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: true}))
			return func() bool { return b.proves(right, "") }
		},
		"beyond the machine's scope": func(b *bench) func() bool {
			b.must(b.admin.AddGroup(b.t.Context(), &v1.AddGroupRequest{Name: "crew"}))
			b.must(b.admin.SetMachine(b.t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"crew"}}}))
			return func() bool { return b.proves(right, "") }
		},
		"an earlier password": func(b *bench) func() bool {
			b.password("alice", longer)
			return func() bool { b.unix.Add(7200); return b.proves(right, "") }
		},
		"a card that is revoked": func(b *bench) func() bool {
			c := b.card("P-256", "card")
			b.give("alice", c)
			what := identity.CardChallenge{Realm: b.Name, Machine: b.box.UUID, Account: b.uuid("alice"), Service: "test"}
			if !b.signs(c, what) {
				b.t.Error("the card is no good at all")
			}
			b.must(b.admin.RevokeCard(b.t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hexOf(c)}))
			return func() bool { b.unix.Add(7200); return b.signs(c, what) }
		},
		"a card that shows not where its key was made": func(b *bench) func() bool {
			b.must(b.admin.SetRealm(b.t.Context(), &v1.SetRealmRequest{AttestationCa: b.maker().authority, RequireAttestation: proto.Bool(true)}))
			return func() bool { b.unix.Add(7200); return b.enrols(b.card("P-256", "card")) }
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.t = t
			attempt := make(b)
			if attempt() {
				t.Fatal("let in without any hole")
			}
			b.withoutEach(func(table string) {
				if attempt() {
					t.Errorf("without %s: let in", table)
				}
			})
		})
	}
}

// Promise damage-unreadable.
func TestNoTokenIsSignedOfHalfOfAnAccount(t *testing.T) {
	b := newBench(t)
	b.totp()
	kept, gone := b.card("P-256", "kept"), b.card("P-256", "gone")
	b.give("alice", kept)
	b.give("alice", gone)
	b.must(b.admin.RevokeCard(t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hexOf(gone)}))
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "crew"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "crew", Member: "alice"}))
	ring := b.ring()
	says := func() (what string, err error) {
		b.unix.Add(7200) // what was signed before is not handed out again
		var signed []byte
		err = b.Store.Read(t.Context(), func(tx *store.Tx) error {
			a, err := tx.AccountByName("alice")
			if err == nil {
				signed, err = b.IDToken(t.Context(), tx, a)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		token, err := ring.IDToken(signed)
		b.must(nil, err)
		token.IssuedAt = 0
		return fmt.Sprintf("%+v", *token), nil
	}
	whole, err := says()
	b.must(nil, err)
	refused := 0
	b.withoutEach(func(table string) {
		got, err := says()
		if err == nil && got != whole {
			t.Errorf("without %s another token is signed:\n%s\nwant\n%s", table, got, whole)
		}
		if err != nil {
			refused++
		}
	})
	if refused < 5 {
		t.Errorf("only %d tables are asked", refused)
	}
}
