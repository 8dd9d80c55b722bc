package verify_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

const at = 1_800_000_000 + 30

// person is a party with the private half.
type person struct {
	verify.Party
	private identity.Secret
}

func newPerson(t testing.TB, realm string, id byte, private string) person {
	t.Helper()
	p := person{Party: verify.Party{Realm: realm, ID: uuid.UUID{15: id}}}
	var err error
	if private == "" {
		p.private, err = verify.NewKey()
	} else {
		var b []byte
		b, err = hex.DecodeString(private)
		p.private = identity.NewSecret(b)
	}
	if err == nil {
		p.Public, err = verify.Public(p.private)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p person) calls(t testing.TB, other verify.Party) *verify.Call {
	t.Helper()
	return p.callsAbout(t, other, "")
}

func (p person) callsAbout(t testing.TB, other verify.Party, words string) *verify.Call {
	t.Helper()
	subject, err := verify.Subject(words)
	if err != nil {
		t.Fatal(err)
	}
	c, err := verify.Begin(p.private, p.Party, other, subject)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func hears(t testing.TB, c *verify.Call, code string, now int64) bool {
	t.Helper()
	_, right, err := c.Hear(code, time.Unix(now, 0))
	if err != nil {
		t.Fatal(err)
	}
	return right
}

// Private keys of RFC 5903, 8.1.
const (
	rfcOne = "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"
	rfcTwo = "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53"
)

// TestTheCodesOfAKnownCall holds the format: a machine of another release says the same.
// Promise verify-format.
func TestTheCodesOfAKnownCall(t *testing.T) {
	ada, bob := newPerson(t, "a.example", 1, rfcOne), newPerson(t, "b.example", 2, rfcTwo)
	say, left := ada.calls(t, bob.Party).Say(time.Unix(at, 0))
	back, _ := bob.calls(t, ada.Party).Say(time.Unix(at, 0))
	about, _ := ada.callsAbout(t, bob.Party, "Invoice 4711").Say(time.Unix(at, 0))
	if say != knownFromAda || back != knownFromBob || about != knownAbout || left != 30*time.Second {
		t.Errorf("ada says %q, and %q of an invoice, bob says %q, for %s", say, about, back, left)
	}
}

// Made by a program of its own, in another language, from what the package comment says.
const knownFromAda, knownFromBob = "4464 6308", "5848 6395"

// knownAbout is what ada says then of "Invoice 4711".
const knownAbout = "1052 3547"

// Promise verify-both.
func TestTwoPeopleHearEachOtherAndNobodyElse(t *testing.T) {
	ada, bob, eve := newPerson(t, "a.example", 1, ""), newPerson(t, "b.example", 2, ""), newPerson(t, "a.example", 3, "")
	code, _ := ada.calls(t, bob.Party).Say(time.Unix(at, 0))
	back, _ := bob.calls(t, ada.Party).Say(time.Unix(at, 0))
	if !hears(t, bob.calls(t, ada.Party), code, at) || !hears(t, ada.calls(t, bob.Party), back, at) {
		t.Fatal("they do not hear each other")
	}
	elsewhere := ada.Party
	elsewhere.Realm = "a.examp1e"
	another := ada.Party
	another.ID = uuid.UUID{15: 9}
	for sentence, heard := range map[string]bool{
		"what was heard, said back":         hears(t, ada.calls(t, bob.Party), code, at),
		"two minutes later":                 hears(t, bob.calls(t, ada.Party), code, at+2*verify.Step),
		"two minutes earlier":               hears(t, bob.calls(t, ada.Party), code, at-2*verify.Step),
		"said to somebody else":             hears(t, eve.calls(t, ada.Party), code, at),
		"taken for somebody else's":         hears(t, bob.calls(t, eve.Party), code, at),
		"said by the name in another realm": hears(t, bob.calls(t, elsewhere), code, at),
		"said as another account":           hears(t, bob.calls(t, another), code, at),
	} {
		if heard {
			t.Errorf("%s: it is right", sentence)
		}
	}
	for _, drift := range []int64{-verify.Step, 0, verify.Step} {
		if !hears(t, bob.calls(t, ada.Party), code, at+drift) {
			t.Errorf("a clock that is %d s off: it is wrong", drift)
		}
	}
	if step, _, _ := bob.calls(t, ada.Party).Hear(code, time.Unix(at+verify.Step, 0)); step != at/verify.Step {
		t.Errorf("it is of step %d", step)
	}
	none := new(verify.Call)
	said, _ := none.Say(time.Unix(at, 0))
	if hears(t, none, said, at) || hears(t, new(verify.Call), "0000 0000", at) {
		t.Error("a call that was not begun proves something")
	}
	over := ada.calls(t, bob.Party)
	over.End()
	if hears(t, over, back, at) {
		t.Error("a call that is over proves something")
	}
}

// TestWhoRelaysHasToTellBothTheSame is about somebody who speaks with both, as each to the
// other, and repeats all codes.
// Promise verify-about.
func TestWhoRelaysHasToTellBothTheSame(t *testing.T) {
	ada, bob := newPerson(t, "a.example", 1, ""), newPerson(t, "b.example", 2, "")
	code, _ := bob.callsAbout(t, ada.Party, "lunch").Say(time.Unix(at, 0))
	for _, about := range []string{"a new bank account", "", "lunch 2"} {
		if hears(t, ada.callsAbout(t, bob.Party, about), code, at) {
			t.Errorf("bob speaks about lunch, and ada is told that it was %q", about)
		}
	}
	if hears(t, bob.callsAbout(t, ada.Party, "lunch"), code, at) {
		t.Error("what was heard, said back, is right")
	}
	code, _ = bob.callsAbout(t, ada.Party, "Invoice #4711, Müller").Say(time.Unix(at, 0))
	for _, about := range []string{"invoice 4711 müller", " INVOICE 4711 – MÜLLER.", "invoice４７１１mu\u0308ller"} {
		if !hears(t, ada.callsAbout(t, bob.Party, about), code, at) {
			t.Errorf("%q is another subject", about)
		}
	}
	if _, err := verify.Subject(strings.Repeat("a", verify.MaxSubject+1)); err == nil {
		t.Error("a subject of any length is taken")
	}
}

// Promise verify-keys.
func TestOnlyKeysOfP256OfTwoPeopleBeginACall(t *testing.T) {
	ada, bob := newPerson(t, "a.example", 1, ""), newPerson(t, "b.example", 2, "")
	with := func(p verify.Party, public []byte) verify.Party {
		p.Public = public
		return p
	}
	off := bytes.Clone(bob.Public)
	off[64] ^= 1
	for sentence, c := range map[string]struct {
		private     identity.Secret
		own, theirs verify.Party
		want        error
	}{
		"no private half":           {identity.Secret{}, ada.Party, bob.Party, verify.ErrKey},
		"nought for a private half": {identity.NewSecret(make([]byte, 32)), ada.Party, bob.Party, verify.ErrKey},
		"another's private half":    {bob.private, ada.Party, bob.Party, verify.ErrKey},
		"no public half":            {ada.private, ada.Party, with(bob.Party, nil), verify.ErrKey},
		"a point at infinity":       {ada.private, ada.Party, with(bob.Party, []byte{0}), verify.ErrKey},
		"a point off the curve":     {ada.private, ada.Party, with(bob.Party, off), verify.ErrKey},
		"a compressed point":        {ada.private, ada.Party, with(bob.Party, append([]byte{2}, bob.Public[1:33]...)), verify.ErrKey},
		"oneself":                   {ada.private, ada.Party, ada.Party, verify.ErrSelf},
		"one's own key":             {ada.private, ada.Party, with(bob.Party, ada.Public), verify.ErrSelf},
		"oneself with another key":  {ada.private, ada.Party, with(ada.Party, bob.Public), verify.ErrSelf},
	} {
		if _, err := verify.Begin(c.private, c.own, c.theirs, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestACodeIsTakenAsPeopleWriteItDown(t *testing.T) {
	ada, bob := newPerson(t, "a.example", 1, rfcOne), newPerson(t, "b.example", 2, rfcTwo)
	code, _ := ada.calls(t, bob.Party).Say(time.Unix(at, 0))
	d := code[:4] + code[5:]
	for _, typed := range []string{code, d, " " + code + "\n", d[:4] + "-" + d[4:], d[:2] + " " + d[2:4] + "." + d[4:6] + " " + d[6:]} {
		if !hears(t, bob.calls(t, ada.Party), typed, at) {
			t.Errorf("%q is not taken", typed)
		}
	}
	for _, typed := range []string{"", d[1:], d + "1", "1234 567x", "１２３４５６７８", "-1234567", string(bytes.Repeat([]byte(" "), 100)) + d} {
		if _, right, err := bob.calls(t, ada.Party).Hear(typed, time.Unix(at, 0)); right || !errors.Is(err, verify.ErrCode) {
			t.Errorf("%q: %v, %v", typed, right, err)
		}
	}
}

func FuzzCode(f *testing.F) {
	ada, bob := newPerson(f, "a.example", 1, rfcOne), newPerson(f, "b.example", 2, rfcTwo)
	code, _ := ada.calls(f, bob.Party).Say(time.Unix(at, 0))
	f.Add(code)
	f.Add("0000-0000")
	f.Fuzz(func(t *testing.T, typed string) {
		_, right, err := bob.calls(t, ada.Party).Hear(typed, time.Unix(at, 0))
		if right && err != nil {
			t.Errorf("%q is right, and none", typed)
		}
	})
}
