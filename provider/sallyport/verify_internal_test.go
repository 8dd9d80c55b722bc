package sallyport

import (
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
	for sentence, c := range map[string]struct {
		v  *v1.VerifyPerson
		ok bool
	}{
		"bob":           {&v1.VerifyPerson{Id: id[:], Name: "bob", FullName: "Bob\x1b[2J", PublicKey: public}, true},
		"nothing":       {nil, false},
		"another name":  {&v1.VerifyPerson{Id: id[:], Name: "b0b", PublicKey: public}, false},
		"no id":         {&v1.VerifyPerson{Name: "bob", PublicKey: public}, false},
		"a private key": {&v1.VerifyPerson{Id: id[:], Name: "bob", PublicKey: private.Reveal()}, false},
	} {
		p, err := verifyPerson(c.v, "bob")
		if (err == nil) != c.ok || c.ok && p.FullName != "Bob [2J" {
			t.Errorf("%s: %+v, %v", sentence, p, err)
		}
	}
}
