package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// The account phase is all that sshd asks after a key.
func TestAServerThatDoesNotAnswerMakesNothingFresh(t *testing.T) {
	h := newTestMachine(t, onlyFetches)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.run()
	if c := h.phase(identity.OpAccount, "alice"); c != identity.Granted {
		t.Fatal(c)
	}
	h.clk.pass(15 * 24 * time.Hour) // a day more than her token allows
	if h.srv.be(down); h.d.Link().JustFailed() {
		t.Fatal("the server is known to be away, so nothing is fetched")
	}
	if c := h.phase(identity.OpAccount, "alice"); c != identity.NotPermitted {
		t.Error(c)
	}
}

// interrupted is a list in the midst of which something newer comes by another way.
type interrupted struct {
	*server
	between func()
}

func (l interrupted) List(ctx context.Context, each func(provider.Record) error) (provider.Position, error) {
	var all []provider.Record
	p, err := l.server.List(ctx, func(r provider.Record) error { all = append(all, r); return nil })
	if err != nil {
		return p, err
	}
	l.between()
	for _, r := range all {
		if err := each(r); err != nil {
			return p, err
		}
	}
	return p, nil
}

func TestAListDoesNotUndoWhatCameSinceItBegan(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	must(t, h.d.List(bg, interrupted{h.srv, func() {
		h.srv.mu.Lock()
		tok := h.srv.people[token("alice", 1).Account.UUID].token
		tok.State, tok.Revision = identity.Disabled, tok.Revision+1
		r := h.srv.record(t, &person{token: tok})
		h.srv.mu.Unlock()
		must(t, h.d.Apply(bg, resolver.Update{Records: []provider.Record{r}}))
	}}))
	if c := h.phase(identity.OpAccount, "alice"); c != identity.AccountExpired {
		t.Errorf("she was disabled while an older list was read: %s", c)
	}
}

func TestRevisionsOfTwoHistoriesDoNotCompare(t *testing.T) {
	h, _ := ofHistory(t)
	next := token("alice", 1900000100)
	next.History, next.State, next.Revision = uuid.New(), identity.Disabled, 0
	h.srv.mu.Lock()
	h.srv.people[next.Account.UUID].token.State = identity.Disabled // what a new stream would say too
	r := h.srv.record(t, &person{token: next})
	h.srv.mu.Unlock()
	must(t, h.d.Apply(bg, resolver.Update{Records: []provider.Record{r}}))
	if e := h.known("alice"); e.State() != identity.Disabled {
		t.Error("a token of a history never heard of is passed over for its lower revision")
	}
}

// mistaken answers a change of a password with another's account.
type mistaken struct {
	*server
	record func() provider.Record
}

func (s mistaken) ChangePassword(context.Context, identity.Name, identity.Origin, identity.Secret, identity.Secret, identity.Secret) (provider.Record, error) {
	return s.record(), nil
}

func TestAChangeOfAnothersPasswordIsNone(t *testing.T) {
	h := plainAlice(t)
	bob := token("bob", 1900000101)
	bob.Revision = 1
	for sentence, record := range map[string]func() provider.Record{
		"another's":  func() provider.Record { return h.srv.record(t, &person{token: bob}) },
		"no account": func() provider.Record { return provider.Record{} },
	} {
		h.d.Gate.o.Provider = provider.SourceOf(mistaken{h.srv, record})
		v := h.d.Decide(bg, identity.Login{Operation: identity.OpChangePassword, User: "alice", OldPass: identity.NewSecret([]byte("secret"))}, typing("longer", "longer"))
		if v.Code != identity.PasswordUnchanged || v.Password.Len() != 0 || h.known("bob") != nil {
			t.Errorf("%s: %s", sentence, v.Code)
		}
		h.clk.pass(time.Minute)
	}
}

func TestAPasswordThatAnEarlierModuleAskedForIsNotAskedForAgain(t *testing.T) {
	secret := func(s string) identity.Secret { return identity.NewSecret([]byte(s)) }
	for sentence, c := range map[string]struct {
		l       identity.Login
		prompts int
		want    identity.Code
	}{
		"the old one is there":           {identity.Login{Prelim: true, OldPass: secret("secret")}, 0, identity.Granted},
		"the old one is asked for":       {identity.Login{Prelim: true}, 1, identity.PasswordMismatch}, // and left empty
		"the new one is there":           {identity.Login{OldPass: secret("secret"), FirstPass: secret("longer"), OnlyFirstPass: true}, 0, identity.Granted},
		"the new one should be, and not": {identity.Login{OldPass: secret("secret"), OnlyFirstPass: true}, 0, identity.PasswordUnchanged},
		"the old one should be, and not": {identity.Login{FirstPass: secret("longer")}, 0, identity.PasswordMismatch},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := plainAlice(t)
			c.l.Operation, c.l.User = identity.OpChangePassword, "alice"
			conv := typing("", "", "")
			if v := h.d.Decide(bg, c.l, conv); v.Code != c.want || len(conv.prompts) != c.prompts {
				t.Errorf("%s, prompts %q", v.Code, conv.prompts)
			}
		})
	}
}
