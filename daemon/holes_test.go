package daemon

import (
	"database/sql"
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// cacheTables are those of the cache.
func (h *testMachine) cacheTables() (names []string) {
	h.t.Helper()
	h.inCache(func(db *sql.DB) {
		rows, err := db.QueryContext(bg, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
		must(h.t, err)
		defer rows.Close()
		for rows.Next() {
			var n string
			must(h.t, rows.Scan(&n))
			names = append(names, n)
		}
		must(h.t, rows.Err())
	})
	return names
}

func (h *testMachine) inCache(f func(*sql.DB)) {
	h.t.Helper()
	db, err := sql.Open("sqlite3", h.cache.Path())
	must(h.t, err)
	f(db)
	must(h.t, db.Close())
}

// Whatever of the cache cannot be read, nobody is let in who would not be otherwise.
// Promise damage-unreadable.
func TestAHoleInTheCacheLetsNobodyIn(t *testing.T) {
	for what, c := range map[string]struct {
		make  func(t *testing.T) *testMachine
		types func(h *testMachine) []string
	}{
		"a wrong password":         {away, func(h *testMachine) []string { return []string{"wrong", h.code(0)} }},
		"a wrong code":             {away, func(*testMachine) []string { return []string{"secret", "000000"} }},
		"a code that was used":     {usedCode, func(h *testMachine) []string { return []string{"secret", h.code(0)} }},
		"a locked account":         {lockedHere, func(*testMachine) []string { return []string{"secret"} }},
		"one that was disabled":    {disabledHere, func(*testMachine) []string { return []string{"secret"} }},
		"one without a verifier":   {neverHere, func(*testMachine) []string { return []string{"secret"} }},
		"an earlier password":      {changedHere, func(*testMachine) []string { return []string{"secret"} }},
		"a password and no code":   {away, func(*testMachine) []string { return []string{"secret", ""} }},
		"nothing that anyone knew": {away, func(*testMachine) []string { return []string{"", ""} }},
	} {
		t.Run(what, func(t *testing.T) {
			for _, table := range c.make(t).cacheTables() {
				h := c.make(t)
				h.inCache(func(db *sql.DB) {
					_, err := db.ExecContext(bg, `ALTER TABLE `+table+` RENAME TO gone`)
					must(t, err)
				})
				if v, conv := h.login("alice", c.types(h)...); v.Code == identity.Granted || v.Password.Len() > 0 {
					t.Errorf("without %s: %s, told %q", table, v.Code, conv.told)
				}
			}
		})
	}
}

func usedCode(t *testing.T) *testMachine {
	t.Helper()
	h := away(t)
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	return h
}

func lockedHere(t *testing.T) *testMachine {
	t.Helper()
	h := remembered(t, nil)
	for range h.d.p.OfflineTries {
		h.login("alice", "wrong")
	}
	h.expect(identity.TooManyTries, "alice", "secret")
	return h
}

func disabledHere(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the change", func() bool { return h.known("alice").State() == identity.Disabled })
	h.lost()
	return h
}

func changedHere(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.set(t, tok, func(p *person) { p.password, p.token.Factors[0].Epoch = "another", 2 })
	h.wait("the change", func() bool { epoch, _ := h.known("alice").Epoch(identity.Password); return epoch == 2 })
	h.lost()
	return h
}

func neverHere(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.lost()
	return h
}

// A count that cannot be written ends each kind of proof that is checked here.
// Promise damage-uncounted.
func TestACodeOrCardThatCannotBeCountedLetsNobodyIn(t *testing.T) {
	for kind, c := range map[string]struct {
		service string
		types   func(h *testMachine) []string
	}{
		"piv":  {"vault", func(*testMachine) []string { return []string{cardPIN} }},
		"totp": {"nocards", func(h *testMachine) []string { return []string{"secret", h.code(0)} }},
	} {
		t.Run(kind, func(t *testing.T) {
			h, _ := machineWithCard(t)
			h.lost()
			if v := h.door(c.service, typing(c.types(h)...)); v.Code != identity.Granted {
				t.Fatalf("counted: %s", v.Code)
			}
			h.later()
			h.inCache(func(db *sql.DB) {
				_, err := db.ExecContext(bg, `CREATE TRIGGER fault BEFORE INSERT ON failures WHEN NEW.kind = '`+kind+`' BEGIN SELECT RAISE(ABORT, 'fault'); END`)
				must(t, err)
			})
			if v := h.door(c.service, typing(c.types(h)...)); v.Code != identity.Unavailable {
				t.Errorf("uncounted: %s", v.Code)
			}
		})
	}
}

func TestOnlyAWrongCodeAfterAProofIsCalledOne(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	const another = "This account is disabled."
	for what, c := range map[string]struct {
		of     identity.FactorKind
		reply  provider.Reply
		proven bool
		want   string
	}{
		"a code, and nothing proved":    {identity.TOTP, provider.Reply{Message: identity.Refused}, false, identity.Refused},
		"a code after the password":     {identity.TOTP, provider.Reply{Message: identity.Refused}, true, identity.WrongCode},
		"a code, as the server says":    {identity.TOTP, provider.Reply{Message: identity.Refused, Proved: true}, false, identity.WrongCode},
		"a backup code":                 {identity.BackupCode, provider.Reply{Message: identity.Refused}, true, identity.WrongCode},
		"a password after something":    {identity.Password, provider.Reply{Message: identity.Refused}, true, identity.Refused},
		"a card after something":        {identity.PIV, provider.Reply{Message: identity.Refused}, true, identity.Refused},
		"a code, refused for something": {identity.TOTP, provider.Reply{Message: another}, true, another},
	} {
		conv := typing()
		s := &login{d: h.d.Gate, conv: conv, Login: identity.Login{Operation: identity.OpAuthenticate, User: "alice", TTY: "tty1"}, proven: c.proven}
		s.q.Entry, s.q.Typed = h.known("alice"), "alice"
		if v := s.refusedBy(bg, c.reply, c.of); v.Code != identity.Denied || !slices.Equal(conv.told, []string{c.want}) {
			t.Errorf("%s: %s, told %q", what, v.Code, conv.told)
		}
	}
}

func TestALocalNameThatTheRealmCouldNotHaveIsLocal(t *testing.T) {
	h := newTestMachine(t)
	h.local("passwd", "root:x:0:0::/root:/bin/sh\nbackup$:x:1001:1001::/:/bin/sh\n")
	h.wait("the file", func() bool { local, err := h.d.Files().AccountNamed("backup$"); return err == nil && local })
	for name, want := range map[string]identity.Code{"backup$": identity.NotOurs, "nobody$": identity.UnknownUser} {
		if got := h.phase(identity.OpAccount, name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Promise damage-hash.
func TestADamagedVerifierIsOfNoPassword(t *testing.T) {
	h := remembered(t, nil)
	whole := h.verifierOfAlice()
	check := func(what string, v cache.Verifier, typed string, want, fault bool) {
		t.Helper()
		right, err := h.d.verifiers.IsOf(bg, v, identity.NewSecret([]byte(typed)))
		if right != want || (err != nil) != fault {
			t.Errorf("%s: %t, %v", what, right, err)
		}
	}
	check("as it is", whole, "secret", true, false)
	check("another password", whole, "wrong", false, false)
	check("no password", whole, "", false, false)
	for what, damage := range map[string]func(v *cache.Verifier){
		"no salt":     func(v *cache.Verifier) { v.Salt = nil },
		"half a salt": func(v *cache.Verifier) { v.Salt = v.Salt[:len(v.Salt)/2] },
		"no passes":   func(v *cache.Verifier) { v.Time = 0 },
		"no threads":  func(v *cache.Verifier) { v.Threads = 0 },
		"much memory": func(v *cache.Verifier) { v.Memory = 4<<20 + 1 },
	} {
		v := whole
		damage(&v)
		check(what, v, "secret", false, true)
	}
	if mac, err := h.d.verifiers.MAC(bg, whole, identity.Secret{}); err == nil || mac != nil {
		t.Errorf("of no password: %x, %v", mac, err)
	}
}
