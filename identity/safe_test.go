package identity

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func oddToken() *IDToken {
	own := Group{UUID: uuid.New(), Name: "ada", GID: 1900000001}
	crew := Group{UUID: uuid.New(), Name: "crew", GID: 1900000500, Demands: []FactorKind{TOTP}}
	return &IDToken{
		Realm: "example", State: Active, ValidUntil: Never, Revision: 3,
		Account: Account{UUID: uuid.New(), Name: "ada", UID: 1900000001, GID: 1900000001, FullName: "Ada", Home: "/home/ada", Shell: "/bin/bash"},
		Groups:  []Group{own, crew},
		SSHKeys: []SSHKey{{Tag: "laptop", Line: "ssh-ed25519 AAAA"}},
		Factors: []Factor{{Kind: Password, Epoch: 1}, {Kind: TOTP, Epoch: 2}, {Kind: PIV, Epoch: 3, Certificate: []byte{1}}},
		Points:  DefaultPoints(),
	}
}

// Promise kanidm-odd-parts.
func TestAnOddPartIsLeftOutOrMadeSafeAndNamed(t *testing.T) {
	long := strings.Repeat("x", MaxText+5)
	for sentence, c := range map[string]struct {
		odd  func(t *IDToken)
		safe func(t *IDToken) // what becomes of it, made of the token as it was
		part string
	}{
		"a colon in the full name":     {func(t *IDToken) { t.Account.FullName = "Ada: CEO" }, func(t *IDToken) { t.Account.FullName = "Ada  CEO" }, "full name"},
		"a line break in it":           {func(t *IDToken) { t.Account.FullName = "Ada\nroot" }, func(t *IDToken) { t.Account.FullName = "Ada root" }, "full name"},
		"bytes that are no text":       {func(t *IDToken) { t.Account.FullName = "A\xffda" }, func(t *IDToken) { t.Account.FullName = "Ada" }, "full name"},
		"a very long full name":        {func(t *IDToken) { t.Account.FullName = long }, func(t *IDToken) { t.Account.FullName = long[:MaxText] }, "full name"},
		"a home with a slash behind":   {func(t *IDToken) { t.Account.Home = "/home/ada/" }, func(t *IDToken) {}, "home directory"},
		"a home that leads elsewhere":  {func(t *IDToken) { t.Account.Home = "/home/../root" }, func(t *IDToken) { t.Account.Home = "/root" }, "home directory"},
		"a home without a path":        {func(t *IDToken) { t.Account.Home = "ada" }, func(t *IDToken) { t.Account.Home = "/nonexistent" }, "home directory"},
		"no home":                      {func(t *IDToken) { t.Account.Home = "" }, func(t *IDToken) { t.Account.Home = "/nonexistent" }, "home directory"},
		"a colon in the home":          {func(t *IDToken) { t.Account.Home = "/a:b" }, func(t *IDToken) { t.Account.Home = "/nonexistent" }, "home directory"},
		"no shell":                     {func(t *IDToken) { t.Account.Shell = "" }, func(t *IDToken) { t.Account.Shell = "/bin/sh" }, "shell"},
		"a shell without its path":     {func(t *IDToken) { t.Account.Shell = "bash" }, func(t *IDToken) {}, "shell"},
		"one that keeps people out":    {func(t *IDToken) { t.Account.Shell = "false" }, func(t *IDToken) { t.Account.Shell = "/bin/false" }, "shell"},
		"a shell that nobody knows":    {func(t *IDToken) { t.Account.Shell = "rbash" }, func(t *IDToken) { t.Account.Shell = "/usr/sbin/nologin" }, "shell"},
		"a line break in the shell":    {func(t *IDToken) { t.Account.Shell = "/bin/sh\n" }, func(t *IDToken) { t.Account.Shell = "/usr/sbin/nologin" }, "shell"},
		"a group of a reserved id":     {func(t *IDToken) { t.Groups[1].GID = 2147352576 }, func(t *IDToken) { t.Groups = t.Groups[:1] }, `group "crew"`},
		"a group without a uuid":       {func(t *IDToken) { t.Groups[1].UUID = uuid.Nil }, func(t *IDToken) { t.Groups = t.Groups[:1] }, `group "crew"`},
		"a group of no name":           {func(t *IDToken) { t.Groups[1].Name = "a:b" }, func(t *IDToken) { t.Groups = t.Groups[:1] }, `group "a:b"`},
		"a group of another realm":     {func(t *IDToken) { t.Groups[1].Name = "crew@other" }, func(t *IDToken) { t.Groups = t.Groups[:1] }, `group "crew@other"`},
		"a key that is none":           {func(t *IDToken) { t.SSHKeys[0].Line = "ssh-ed25519" }, func(t *IDToken) { t.SSHKeys = nil }, `ssh key "laptop"`},
		"a key with an unknown option": {func(t *IDToken) { t.SSHKeys[0].Line = "no-shell ssh-ed25519 AAAA" }, func(t *IDToken) { t.SSHKeys = nil }, `ssh key "laptop"`},
		"a colon in a key's label":     {func(t *IDToken) { t.SSHKeys[0].Tag = "a:b" }, func(t *IDToken) { t.SSHKeys[0].Tag = "key 1" }, ""},
		"a label of a factor":          {func(t *IDToken) { t.Factors[1].Label = "a\nb" }, func(t *IDToken) {}, `label of factor "totp"`},
		"a card without certificate":   {func(t *IDToken) { t.Factors[2].Certificate = nil }, func(t *IDToken) { t.Factors = t.Factors[:2] }, `factor "piv"`},
		"a factor of a newer release":  {func(t *IDToken) { t.Factors[2].Kind = "fido" }, func(t *IDToken) { t.Factors[2] = Factor{Kind: "fido", Epoch: 3} }, ""},
		"points twice":                 {func(t *IDToken) { t.Points = append(t.Points, KindPoints{TOTP, 90}) }, func(t *IDToken) {}, `points of "totp"`},
		"too many revoked cards":       {func(t *IDToken) { t.RevokedCards = make([][]byte, MaxRevoked+1) }, func(t *IDToken) { t.RevokedCards = make([][]byte, MaxRevoked) }, "revoked cards"},
	} {
		t.Run(sentence, func(t *testing.T) {
			good := oddToken()
			odd, want := clone(good), clone(good)
			c.odd(odd)
			c.safe(want)
			if odd.Validate() == nil {
				t.Fatal("it is not odd")
			}
			odd.MakeSafe()
			if err := odd.Validate(); err != nil {
				t.Fatal(err)
			}
			told := odd.LeftOut
			if c.part != "" && (len(told) != 1 || told[0].Part != c.part || told[0].Why == "") {
				t.Errorf("told %+v", told)
			}
			odd.LeftOut, odd.SSHKeys = nil, slices.Clip(odd.SSHKeys)
			if len(odd.SSHKeys) == 0 {
				odd.SSHKeys = nil
			}
			if !reflect.DeepEqual(odd, want) {
				t.Errorf("\n%+v, want\n%+v", odd, want)
			}
		})
	}
}

func clone(t *IDToken) *IDToken {
	c := *t
	c.Groups, c.SSHKeys, c.Factors = slices.Clone(t.Groups), slices.Clone(t.SSHKeys), slices.Clone(t.Factors)
	c.Points, c.RevokedCards = slices.Clone(t.Points), slices.Clone(t.RevokedCards)
	return &c
}

// Promise kanidm-odd-parts.
func TestTheAccountItselfIsNeverMadeSafe(t *testing.T) {
	for sentence, odd := range map[string]func(t *IDToken){
		"no uuid":            func(t *IDToken) { t.Account.UUID = uuid.Nil },
		"a name of none":     func(t *IDToken) { t.Account.Name = "a:b" },
		"another realm's":    func(t *IDToken) { t.Account.Name = "ada@other" },
		"root's uid":         func(t *IDToken) { t.Account.UID = 0 },
		"a reserved gid":     func(t *IDToken) { t.Account.GID, t.Groups[0].GID = 5, 5 },
		"no state":           func(t *IDToken) { t.State = StateUnknown },
		"no group":           func(t *IDToken) { t.Groups = nil },
		"another's group":    func(t *IDToken) { t.Groups[0].GID++ },
		"own group unnamed":  func(t *IDToken) { t.Groups[0].Name = "" },
		"no realm":           func(t *IDToken) { t.Realm = "" },
		"own group no uuid":  func(t *IDToken) { t.Groups[0].UUID = uuid.Nil },
		"a name of a device": func(t *IDToken) { t.Account.Name = "../x" },
	} {
		t.Run(sentence, func(t *testing.T) {
			tok := oddToken()
			odd(tok)
			tok.MakeSafe()
			if tok.Validate() == nil {
				t.Errorf("it is taken: %+v", tok)
			}
		})
	}
}

// TestTooManyPartsCostThoseBeyond: and a code that the account holds is never among them.
// Promise kanidm-odd-parts.
func TestTooManyPartsCostThoseBeyond(t *testing.T) {
	tok := oddToken()
	for i := range MaxGroups + 7 {
		tok.Groups = append(tok.Groups, Group{UUID: uuid.New(), Name: Name(fmt.Sprintf("g%d", i)), GID: 1900010000 + uint32(i)})
	}
	for i := range MaxSSHKeys + 7 {
		tok.SSHKeys = append(tok.SSHKeys, SSHKey{Tag: fmt.Sprint(i), Line: "ssh-ed25519 AAAA"})
	}
	var cards []Factor
	for range MaxFactors + 7 {
		cards = append(cards, Factor{Kind: PIV, Certificate: []byte{1}})
	}
	tok.Factors = append(cards, tok.Factors...)
	tok.MakeSafe()
	if err := tok.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(tok.Groups) != MaxGroups || len(tok.SSHKeys) != MaxSSHKeys || len(tok.Factors) != MaxFactors || len(tok.LeftOut) > MaxLeftOut || len(tok.LeftOut) == 0 {
		t.Errorf("%d groups, %d keys, %d factors, %d told", len(tok.Groups), len(tok.SSHKeys), len(tok.Factors), len(tok.LeftOut))
	}
	if !slices.Contains(tok.Held(), TOTP) || !slices.Contains(tok.Held(), Password) {
		t.Errorf("held: %v", tok.Held())
	}
}

// TestWhatWasLeftOutIsToldAfterwards: a machine keeps tokens that it made itself.
// Promise kanidm-odd-parts.
func TestWhatWasLeftOutIsToldAfterwards(t *testing.T) {
	tok := oddToken()
	tok.Account.Shell = "rbash"
	tok.MakeSafe()
	was := slices.Clone(tok.LeftOut)
	b, err := encode(tok)
	if err != nil {
		t.Fatal(err)
	}
	got := new(IDToken)
	if err := decode(b, got); err != nil {
		t.Fatal(err)
	}
	got.MakeSafe()
	if !reflect.DeepEqual(got.LeftOut, was) {
		t.Errorf("%+v, want %+v", got.LeftOut, was)
	}
	got.LeftOut = append(got.LeftOut, LeftOut{"x\x1b[2J", "y"})
	got.MakeSafe()
	if !reflect.DeepEqual(got.LeftOut, was) {
		t.Errorf("what could write to a terminal is told: %+v", got.LeftOut)
	}
}
