package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func withTOTP(p *person) {
	p.code = "123456"
	p.token.Factors = append(p.token.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 1})
}

// Promise 1, attack-machine-login.
func TestAYesThatIsNotForThisAccountHereAndNowGrantsNothing(t *testing.T) {
	for sentence, tamper := range map[string]func(*provider.Reply){
		"it has no session token":    func(r *provider.Reply) { r.Session = nil },
		"it has no ID token":         func(r *provider.Reply) { r.Record = provider.Record{} },
		"it is for another machine":  func(r *provider.Reply) { r.Session.Machine = uuid.New() },
		"it is for another account":  func(r *provider.Reply) { r.Session.Account = uuid.New() },
		"its ID token is another's":  func(r *provider.Reply) { r.Record.Token.Account.UUID = uuid.New() },
		"its ID token is renamed":    func(r *provider.Reply) { r.Record.Token.Account.Name = "another" },
		"it is of another realm":     func(r *provider.Reply) { r.Session.Realm = "elsewhere" },
		"it has expired":             func(r *provider.Reply) { r.Session.ExpiresAt = r.ServerTime.Add(-time.Hour).Unix() },
		"it is from the future":      func(r *provider.Reply) { r.Session.AuthenticatedAt = r.ServerTime.Add(time.Hour).Unix() },
		"it proves nothing":          func(r *provider.Reply) { r.Session.Methods = nil },
		"it lacks the password":      func(r *provider.Reply) { r.Session.Methods = []identity.FactorKind{identity.TOTP} },
		"it lacks the one-time code": func(r *provider.Reply) { r.Session.Methods = []identity.FactorKind{identity.Password} },
		"it has no outcome":          func(r *provider.Reply) { r.Outcome = provider.Deny },
		"it goes on for ever": func(r *provider.Reply) {
			r.Outcome, r.Offers = provider.Continue, []identity.FactorKind{identity.Password}
		},
		"it wants what we do not know":    func(r *provider.Reply) { r.Outcome, r.Offers = provider.Continue, []identity.FactorKind{"blood"} },
		"its outcome is out of the table": func(r *provider.Reply) { r.Outcome = 77 },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), withTOTP)
			h.online()
			h.expect(identity.Granted, "alice", "secret", "123456")
			h.srv.mu.Lock()
			h.srv.tamper = tamper
			h.srv.mu.Unlock()
			if v, _ := h.login("alice", "secret", "123456"); v.Code == identity.Granted {
				t.Fatal("granted")
			}
			if h.d.Directory().Named("another") != nil {
				t.Error("the name is taken")
			}
		})
	}
}

func TestAskingFollowsTheServersOffers(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), withTOTP)
	h.online()
	conv := h.expect(identity.Granted, "alice", "secret", "123456")
	if !slices.Equal(conv.prompts, []string{"Password: ", "One-time code: "}) {
		t.Fatalf("%q", conv.prompts)
	}
	h.expect(identity.Denied, "alice", "secret", "000000")
	h.expect(identity.Denied, "alice", "wrong")
	h.expect(identity.ConversationFailed, "alice", "secret")
	h.expect(identity.ConversationFailed, "alice")
	h.expect(identity.Denied, "alice", "")
}

func TestANoOfTheServerIsFinalThoughTheVerifierWouldSayYes(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.mu.Lock()
	h.srv.people[tok.Account.UUID].password = "changed behind our back"
	h.srv.mu.Unlock()
	h.expect(identity.Denied, "alice", "secret")
	h.srv.mu.Lock()
	h.srv.people[tok.Account.UUID].locked = true
	h.srv.mu.Unlock()
	if conv := h.expect(identity.TooManyTries, "alice", "secret"); !slices.Contains(conv.told, "Locked for 5 min.") {
		t.Fatalf("told %q", conv.told)
	}
}

func TestWhatAnEarlierModuleLeftIsTriedFirst(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	for sentence, c := range map[string]struct {
		first   string
		only    bool
		answers []string
		want    identity.Code
		prompts int
	}{
		"right, nobody is asked":               {"secret", false, nil, identity.Granted, 0},
		"wrong, then asked":                    {"wrong", false, []string{"secret"}, identity.Granted, 1},
		"wrong, asked once only":               {"wrong", false, []string{"wrong", "secret"}, identity.Denied, 1},
		"wrong, and asking is forbidden":       {"wrong", true, []string{"secret"}, identity.Denied, 0},
		"none, and asking is forbidden":        {"", true, []string{"secret"}, identity.Denied, 0},
		"right, and asking would be forbidden": {"secret", true, nil, identity.Granted, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			conv := typing(c.answers...)
			v := h.d.Decide(context.Background(), identity.Login{
				Operation: identity.OpAuthenticate, User: "alice", FirstPass: identity.NewSecret([]byte(c.first)), OnlyFirstPass: c.only,
			}, conv)
			if v.Code != c.want || len(conv.prompts) != c.prompts {
				t.Fatalf("code %d, prompts %q", v.Code, conv.prompts)
			}
		})
	}
}

// Promise 5, attack-local-logins, proof-asker.
func TestOnlyRootMayAskForOthersAndOthersAreCounted(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	as := func(uid uint32, op identity.Operation, answers ...string) identity.Code {
		return h.d.Decide(context.Background(), identity.Login{
			Operation: op, User: "alice", Peer: identity.Peer{UID: uid}, OldPass: identity.NewSecret([]byte("secret")),
		}, typing(answers...)).Code
	}
	for op := identity.OpAuthenticate; op <= identity.OpChangePassword; op++ {
		want := identity.NotPermitted
		if op == identity.OpAuthenticate {
			want = atLogin(want) // with the right password
		}
		if c := as(1900000101, op, "secret", "secret"); c != want {
			t.Errorf("operation %d of a stranger: %d", op, c)
		}
	}
	if c := as(1900000100, identity.OpAuthenticate, "secret"); c != identity.Granted {
		t.Fatalf("her own: %d", c)
	}
	for range h.d.p.OfflineTries {
		if c := as(1900000100, identity.OpAuthenticate, "wrong"); c != identity.Denied {
			t.Fatalf("wrong: %d", c)
		}
	}
	if c := as(1900000100, identity.OpAuthenticate, "secret"); c != identity.TooManyTries {
		t.Fatalf("after too many: %d", c)
	}
	h.expect(identity.Granted, "alice", "secret") // sshd is not locked out by her processes
}

// Promise proof-asker.
func TestATrustedUserMayAuthenticateOthersAndNoMore(t *testing.T) {
	const web, other = 33, 34
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{
			"nginx": {TrustedUsers: []string{"gone", "www-data"}}, "sudo": {StepUp: true, TrustedUsers: []string{"www-data"}},
		}
	})
	files := "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nmail:x:34:34::/:/bin/false\n"
	if err := os.WriteFile(filepath.Join(h.root, "etc/passwd"), []byte(files), 0o644); err != nil {
		t.Fatal(err)
	}
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	as := func(uid uint32, service string, op identity.Operation, answers ...string) (identity.Code, *typist) {
		conv := typing(answers...)
		return h.d.Decide(context.Background(), identity.Login{
			Operation: op, Service: service, User: "alice", Peer: identity.Peer{UID: uid}, RemoteUser: "alice", Session: desk(),
			OldPass: identity.NewSecret([]byte("secret")),
		}, conv).Code, conv
	}
	for sentence, c := range map[string]struct {
		uid     uint32
		service string
		op      identity.Operation
		granted bool
	}{
		"the right password":           {web, "nginx", identity.OpAuthenticate, true},
		"the account check":            {web, "nginx", identity.OpAccount, true},
		"another service":              {web, "login", identity.OpAuthenticate, false},
		"another local user":           {other, "nginx", identity.OpAuthenticate, false},
		"somebody of the realm":        {1900000101, "nginx", identity.OpAuthenticate, false},
		"a service with step-up":       {web, "sudo", identity.OpAuthenticate, false},
		"the account check of sudo":    {web, "sudo", identity.OpAccount, false},
		"a session":                    {web, "nginx", identity.OpOpenSession, false},
		"credentials":                  {web, "nginx", identity.OpSetCredentials, false},
		"the end of a session":         {web, "nginx", identity.OpCloseSession, false},
		"another password for another": {web, "nginx", identity.OpChangePassword, false},
	} {
		if got, _ := as(c.uid, c.service, c.op, "secret", "another secret", "another secret"); (got == identity.Granted) != c.granted {
			t.Errorf("%s: %s", sentence, got)
		}
	}
	for range h.d.p.OfflineTries {
		if c, conv := as(web, "nginx", identity.OpAuthenticate, "wrong"); c != identity.Denied || len(conv.told) != 0 {
			t.Fatalf("wrong: %s, told %q", c, conv.told)
		}
	}
	if c, conv := as(web, "nginx", identity.OpAuthenticate, "wrong"); c == identity.Granted || len(conv.told) != 0 || len(conv.prompts) != 1 {
		t.Fatalf("after too many: %s, told %q, prompts %q", c, conv.told, conv.prompts)
	}
	if c, _ := as(web, "nginx", identity.OpAuthenticate, "secret"); c == identity.Granted {
		t.Error("too many wrong answers lock nothing")
	}
	h.expect(identity.Granted, "alice", "secret") // root's programs count for themselves
	if list := h.d.proofs.StepUps.Of(token("alice", 1).Account.UUID, 0); len(list) != 0 {
		t.Errorf("remembered: %v", list)
	}
}

func TestRevocationsArriveBeforeTheNextDecision(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*person)
		login  identity.Code // offline, with the old password
		acct   identity.Code
		keys   int
		gone   bool // the verifier
	}{
		"disabled":         {func(p *person) { p.token.State = identity.Disabled }, identity.NotPermitted, identity.AccountExpired, 0, true},
		"password changed": {func(p *person) { p.token.Factors[0].Epoch++ }, identity.NotPermitted, identity.Granted, 1, true},
		"password removed": {func(p *person) { p.token.Factors = nil }, identity.NotPermitted, identity.Granted, 1, true},
		"group left":       {func(p *person) { p.token.Groups = p.token.Groups[:1] }, identity.NotPermitted, identity.NotPermitted, 0, false},
		"expired":          {func(p *person) { p.token.ValidUntil = 1 }, identity.AccountExpired, identity.AccountExpired, 0, false},
		"key removed":      {func(p *person) { p.token.SSHKeys = nil }, identity.Granted, identity.Granted, 0, false},
	} {
		for _, how := range []string{"connected", "away"} {
			t.Run(sentence+" while "+how, func(t *testing.T) {
				h := newTestMachine(t, func(h *testMachine) {
					h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID}
				})
				tok := token("alice", 1900000100, stuff)
				tok.SSHKeys = []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}}
				h.srv.set(t, tok, nil)
				h.online()
				h.expect(identity.Granted, "alice", "secret")
				if how == "away" {
					h.lost()
				}
				h.srv.set(t, tok, c.change)
				h.srv.be(up)
				h.wait("the change", func() bool {
					return h.d.Link().Now() == resolver.Online && h.d.Directory().WithUUID(tok.Account.UUID).Revision() == 2
				})
				if got := h.phase(identity.OpAccount, "alice"); got != c.acct {
					t.Errorf("account phase: %d, want %d", got, c.acct)
				}
				keys, err := h.d.KeysFor(context.Background(), identity.Peer{UID: 5}, "alice")
				if err != nil || len(keys) != c.keys {
					t.Errorf("keys %v, %v", keys, err)
				}
				has, err := h.cache.Verifiers(context.Background())
				must(t, err)
				if has[tok.Account.UUID] == c.gone {
					t.Errorf("verifier left: %t", has[tok.Account.UUID])
				}
				h.lost()
				h.expect(atLogin(c.login), "alice", "secret")
				h.restart()
				h.expect(atLogin(c.login), "alice", "secret")
			})
		}
	}
}

func TestNothingIsGrantedOnTheStrengthOfBeingOnlineBeforeCaughtUp(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.silent = true
	h.run()
	h.wait("the list", func() bool { return h.d.Contact().Complete })
	if s := h.d.Link().Now(); s == resolver.Online {
		t.Fatal("online before CaughtUp")
	}
}

func TestAGoneAccountIsGone(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.remove(tok.Account.UUID)
	h.wait("gone", func() bool { return h.d.Directory().Named("alice") == nil })
	h.expect(identity.UnknownUser, "alice", "secret")
	has, err := h.cache.Verifiers(context.Background())
	must(t, err)
	if len(has) != 0 {
		t.Fatal("its verifier is left")
	}
}

func TestAResetReadsTheWholeListAgain(t *testing.T) {
	h := newTestMachine(t)
	a, b := token("alice", 1900000100), token("bob", 1900000101)
	h.srv.set(t, a, nil)
	h.srv.set(t, b, nil)
	h.online()
	h.srv.mu.Lock()
	delete(h.srv.people, b.Account.UUID) // nobody says so
	h.srv.reset = true
	h.srv.mu.Unlock()
	h.srv.be(down)
	h.srv.be(up)
	h.wait("the new list", func() bool { return h.d.Link().Now() == resolver.Online && h.d.Directory().Named("bob") == nil })
	h.expect(identity.Granted, "alice", "secret")
}

func TestAThousandLogInAtOnce(t *testing.T) {
	for _, state := range []string{"online", "offline"} {
		t.Run(state, func(t *testing.T) {
			const people, each = 50, 20
			h := newTestMachine(t)
			for i := range people {
				h.srv.set(t, token(fmt.Sprintf("p%d", i), 1900000100+uint32(i)), nil)
			}
			h.online()
			for i := range people {
				h.expect(identity.Granted, fmt.Sprintf("p%d", i), "secret")
			}
			if state == "offline" {
				h.lost()
			}
			var wg sync.WaitGroup
			codes := make([]identity.Code, people*each)
			for i := range codes {
				wg.Go(func() {
					v, _ := h.login(fmt.Sprintf("p%d", i%people), "secret")
					codes[i] = v.Code
				})
			}
			wg.Wait()
			for i, c := range codes {
				if c != identity.Granted {
					t.Fatalf("login %d: %d", i, c)
				}
			}
		})
	}
}

// Promise 1.
func TestAPanicGrantsNothing(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	v := h.d.Decide(context.Background(), identity.Login{Operation: identity.OpAuthenticate, User: "alice"}, nil)
	if v.Code != identity.Unavailable || v.Password.Len() != 0 {
		t.Fatalf("%v", v)
	}
}

// Promise kanidm-yes-fits.
func TestAYesThatDoesNotFitIsNoReasonToGoOnOffline(t *testing.T) {
	for sentence, tamper := range map[string]func(*provider.Reply){
		"without a session":   func(r *provider.Reply) { r.Session = nil },
		"of another account":  func(r *provider.Reply) { r.Record.Token.Account.UUID = uuid.New() },
		"of another realm":    func(r *provider.Reply) { r.Session.Realm = "elsewhere" },
		"for another machine": func(r *provider.Reply) { r.Session.Machine = uuid.New() },
		"for less than is held": func(r *provider.Reply) {
			r.Record.Token.Factors = append(r.Record.Token.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 9})
		},
		"for nothing whatsoever": func(r *provider.Reply) { r.Session.Methods = nil },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.expect(identity.Granted, "alice", "secret") // so that she could log in offline
			h.srv.mu.Lock()
			h.srv.tamper = tamper
			h.srv.mu.Unlock()
			if c := h.expect(identity.Denied, "alice", "secret"); len(c.told) == 0 {
				t.Error("she is not told why")
			}
			if h.d.Link().Now() != resolver.Online {
				t.Error("the server counts as away")
			}
		})
	}
}
