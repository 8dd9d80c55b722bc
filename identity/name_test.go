package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise 9.
func TestOnlyCanonicalNamesAreNames(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, good := range []string{
		"a", "ada", "_svc", "ada.l", "a-b", "0day", "a1", long,
		"ada@example.org", "a@1", "ada@_x", "ada@a-b.c", long + "@" + strings.Repeat("r", 190),
	} {
		if n, err := identity.ParseName(good); err != nil || string(n) != good {
			t.Errorf("%q: %q, %v", good, n, err)
		}
	}
	for _, bad := range []string{
		"", "Ada", "ada:x", "ada\n", "ada\x00", "../ada", "a/b", ".ada", "-ada", "..", "1000", "0", "ada ", "ad\xff", "àda",
		strings.Repeat("a", 65), strings.Repeat("a", 300), "a,b", "a$",
		"@", "ada@", "@r", "ada@r@r", "ada@@r", "ada@R", "Ada@r", "ada@.r", "ada@-r", "ada@r:x", "ada@r/x", "ada@r\n", "1000@r", "ada@r r",
		strings.Repeat("a", 65) + "@r", long + "@" + strings.Repeat("r", 191),
	} {
		if n, err := identity.ParseName(bad); !errors.Is(err, identity.ErrName) {
			t.Errorf("%q passed as %q (%v)", bad, n, err)
		}
	}
	for s, short := range map[string]bool{"ada": true, "ada@r": false, "": false} {
		if _, err := identity.ParseShortName(s); (err == nil) != short {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestWhatPeopleTypeFindsTheCanonicalName(t *testing.T) {
	for typed, want := range map[string][2]string{ // where names are short, and where they are qualified
		"ada": {"ada", "ada@example"}, "ADA": {"ada", "ada@example"}, "ada@example": {"ada", "ada@example"},
		"ADA@Example": {"ada", "ada@example"}, "ada@other": {}, "@example": {}, "ada@": {}, "ada@@example": {}, "ada@example@example": {},
		"\u212aen": {}, "": {}, strings.Repeat("A", 300): {}, "1000": {}, "1000@example": {},
	} {
		for i, qualified := range []bool{false, true} {
			got, err := identity.Naming{Realm: "EXAMPLE", Qualified: qualified, Aliases: true}.Canonical(typed)
			if string(got) != want[i] || (err == nil) != (want[i] != "") {
				t.Errorf("%q, qualified %t: %q, %v; want %q", typed, qualified, got, err, want[i])
			}
			// Without aliases only the name itself is one.
			got, err = identity.Naming{Realm: "EXAMPLE", Qualified: qualified}.Canonical(typed)
			if is := typed != "" && typed == want[i]; (err == nil) != is || is && string(got) != typed {
				t.Errorf("%q without aliases, qualified %t: %q, %v", typed, qualified, got, err)
			}
		}
	}
	if n, err := (identity.Naming{Realm: "a realm", Qualified: true, Aliases: true}).Canonical("ada"); err == nil {
		t.Errorf("a realm that no name can end in gives %q", n)
	}
}

// A realm that says "ada@other" could otherwise be taken for the other one.
// Promise realms-qualified.
func TestNoTokenNamesAnybodyOfAnotherRealm(t *testing.T) {
	for name, ok := range map[identity.Name]bool{"ada": true, "ada@example": true, "ada@other": false} {
		account, group := token(), token()
		account.Account.Name = name
		group.Groups[1].Name = name
		for what, tok := range map[string]*identity.IDToken{"account": account, "group": group} {
			tok.Realm = "Example"
			if err := tok.Validate(); (err == nil) != ok {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
	}
}

// Promise realms-qualified.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"ada", "ADA@example", "../x", "a:b", "x\n", "a@b@c"} {
		f.Add(s, "example", false)
		f.Add(s, "example", true)
	}
	f.Fuzz(func(t *testing.T, typed, realm string, qualified bool) {
		naming := identity.Naming{Realm: realm, Qualified: qualified, Aliases: true}
		n, err := naming.Canonical(typed)
		if err != nil {
			return
		}
		if strings.ContainsAny(string(n), ":/\n\x00 ABCDEFGHIJKLMNOPQRSTUVWXYZ") || len(n.Short()) == 0 || len(n.Short()) > identity.MaxNameLen {
			t.Errorf("%q became %q", typed, n)
		}
		if (n.Realm() != "") != qualified || strings.Count(string(n), "@") > 1 || !naming.Has(n) {
			t.Errorf("%q became %q, which is not in the form", typed, n)
		}
		if again, err := naming.Canonical(string(n)); err != nil || again != n {
			t.Errorf("%q is not canonical: %q, %v", n, again, err)
		}
	})
}
