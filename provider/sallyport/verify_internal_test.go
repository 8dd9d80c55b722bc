package sallyport

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// Promise verify-answer.
func TestAnAnswerAboutSomebodyElseOrWithoutAKeyIsNone(t *testing.T) {
	private, err := verify.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := verify.Public(private)
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	person := func(change ...func(*v1.VerifyPerson)) *v1.VerifyPerson {
		v := &v1.VerifyPerson{Id: id[:], Name: "bob", FullName: "Bob\x1b[2J", PublicKey: public, Realm: "r", Organisation: strings.Repeat("\u00fc", 500), Domain: "id\n"}
		for _, f := range change {
			f(v)
		}
		return v
	}
	of := func(realm string) func(*v1.VerifyPerson) { return func(v *v1.VerifyPerson) { v.Realm = realm } }
	p := &Provider{o: Options{Realm: "r"}}
	for sentence, c := range map[string]struct {
		v         *v1.VerifyPerson
		asked, is string
		ok        bool
	}{
		"bob":                           {v: person(), ok: true},
		"by an older server":            {v: person(of("")), ok: true},
		"nothing":                       {},
		"another name":                  {v: person(func(v *v1.VerifyPerson) { v.Name = "b0b" })},
		"no id":                         {v: person(func(v *v1.VerifyPerson) { v.Id = nil })},
		"a private key":                 {v: person(func(v *v1.VerifyPerson) { v.PublicKey = private.Reveal() })},
		"another realm's":               {v: person(of("b.example"))},
		"of a partner":                  {v: person(of("b.example")), asked: "B.Example", is: "b.example", ok: true},
		"of another partner":            {v: person(of("c.example")), asked: "b.example"},
		"one's own for a partner's":     {v: person(), asked: "b.example"},
		"a partner's, by an older one":  {v: person(of("")), asked: "b.example"},
		"a realm that nobody can print": {v: person(of("b\x1b[2J")), asked: "b\x1b[2J"},
	} {
		got, err := p.verifyPerson(c.v, "bob", c.asked)
		if (err == nil) != c.ok || c.ok && (got.FullName != "Bob [2J" || got.Realm != c.is || got.Organisation != strings.Repeat("\u00fc", 120)+"\u2026" || got.Domain != "id") {
			t.Errorf("%s: %+v, %v", sentence, got, err)
		}
		if older := c.asked != "" && c.v.GetRealm() == ""; older != errors.Is(err, errNoPartners) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}
