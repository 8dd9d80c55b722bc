package directory

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// whole is a token that keeps every rule of a realm with qualified names of people.
func whole(name string, id uint32) *identity.IDToken {
	t := listed(name, id)
	t.Realm, t.State, t.ValidUntil, t.Account.Home = "example.org", identity.Active, identity.Never, "/home/x"
	t.Groups[0].Name = identity.Name(name).Short()
	t.Factors = []identity.Factor{{Kind: identity.Password, Epoch: 1}}
	return &t
}

func TestEachRuleRefusesATokenByItself(t *testing.T) {
	rules := Rules{
		Realm: "example.org", Users: identity.Naming{Realm: "example.org", Qualified: true}, Groups: identity.Naming{Realm: "example.org"},
		Allowed:  func(id uint32) bool { return id >= 1900000100 },
		Reserved: []string{"operators"},
	}
	for what, c := range map[string]struct {
		change func(*identity.IDToken)
		taken  bool
	}{
		"none of them":              {func(*identity.IDToken) {}, true},
		"another realm's":           {func(t *identity.IDToken) { t.Realm = "example.net" }, false},
		"a group that is earned":    {func(t *identity.IDToken) { t.Groups[0].Earned = true }, false},
		"a name without its realm":  {func(t *identity.IDToken) { t.Account.Name = "ada" }, false},
		"a group with its realm":    {func(t *identity.IDToken) { t.Groups[0].Name = "ada@example.org" }, false},
		"a uid out of the range":    {func(t *identity.IDToken) { t.Account.UID = 1900000099 }, false},
		"a gid out of the range":    {func(t *identity.IDToken) { t.Account.GID, t.Groups[0].GID = 1900000099, 1900000099 }, false},
		"a name that another holds": {func(t *identity.IDToken) { t.Account.Name = "bob@example.org" }, false},
		"a uid that another holds":  {func(t *identity.IDToken) { t.Account.UID = 1900000200 }, false},
		"no account at all":         {func(t *identity.IDToken) { t.Account.UUID = uuid.Nil }, false},
	} {
		x := New(rules)
		if did := x.Apply(whole("bob@example.org", 1900000200), time.Unix(1, 0), nil); did.Refused != "" {
			t.Fatalf("bob is refused: %s", did.Refused)
		}
		tok := whole("ada@example.org", 1900000100)
		c.change(tok)
		if why := x.Judge(tok); (why == "") != c.taken {
			t.Errorf("%s: refused for %q", what, why)
		}
	}
	if New(rules).Judge(nil) == "" {
		t.Error("no token is taken")
	}
	rules.Users.Qualified = false
	for name, taken := range map[string]bool{"ada": true, "daemon": false, "operators": false} {
		if why := New(rules).Judge(whole(name, 1900000100)); (why == "") != taken {
			t.Errorf("%s: refused for %q", name, why)
		}
	}
}
