package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// cardDesk is a machine at which alice sits, with her card.
type cardDesk struct {
	*testMachine
	f *verifyServer
}

func newCardDesk(t *testing.T, c *softCard, tweak ...func(*testMachine)) *cardDesk {
	t.Helper()
	d := &cardDesk{}
	d.testMachine = newTestMachine(t, append(tweak, func(h *testMachine) {
		d.f = &verifyServer{server: h.srv}
		h.front, h.cards = d.f, &reader{card: c}
	})...)
	d.srv.set(t, token("alice", aliceUID), carded(c))
	d.srv.tamper = func(r *provider.Reply) {
		d.f.mu.Lock()
		defer d.f.mu.Unlock()
		r.Session.Purpose = d.f.purpose
		r.Session.ExpiresAt = r.Session.AuthenticatedAt + int64(8*time.Hour/time.Second)
		r.SignedSession = []byte("a session to " + r.Session.Purpose)
	}
	d.f.bob.ID = uuid.New()
	d.online()
	return d
}

// setsUp makes alice's key on the card.
func (d *cardDesk) setsUp(pin string) (report.Requested, error) {
	a, err := d.enrol(aliceUID, report.VerbVerifySetUp, report.VerifySetUp{OnCard: true, ProofArgs: report.ProofArgs{EnrolArgs: report.EnrolArgs{PIN: pin}}})
	r, _ := a.(report.Requested)
	return r, err
}

func (d *cardDesk) calls(in report.VerifyWith) (report.VerifyCall, error) {
	if in.Name == "" {
		in.Name = "bob"
	}
	a, err := d.enrol(aliceUID, report.VerbVerifyCall, in)
	c, _ := a.(report.VerifyCall)
	return c, err
}

// said is the code of a call, with the PIN if the card asks for it.
func (d *cardDesk) said(in report.VerifyWith) string {
	d.t.Helper()
	c, err := d.calls(in)
	must(d.t, err)
	if c.NeedsPIN {
		if c.Say != "" {
			d.t.Errorf("said without the PIN: %+v", c)
		}
		in.Again, in.PIN = true, cardPIN
		c, err = d.calls(in)
		must(d.t, err)
	}
	if len(c.Say) != 9 {
		d.t.Fatalf("%+v", c)
	}
	return c.Say
}

// bobOf is the other end of the call, with a key of his own.
func (d *cardDesk) bobOf(private identity.Secret) func(subject string) *verify.Call {
	d.t.Helper()
	public, err := verify.Public(private)
	must(d.t, err)
	d.f.bob.Public = public
	return func(subject string) *verify.Call {
		c, err := verify.Begin(private, verify.Party{Realm: realm, ID: d.f.bob.ID, Public: public}, verify.Party{Realm: realm, ID: token("alice", aliceUID).Account.UUID, Public: d.f.public}, subject)
		must(d.t, err)
		return &c
	}
}

func newPrivate(t *testing.T) identity.Secret {
	t.Helper()
	k, err := verify.NewKey()
	must(t, err)
	return k
}

// Promise verify-card-anywhere.
func TestAKeyOnACardGoesWithItToASecondMachine(t *testing.T) {
	c := validCard(t)
	first := newCardDesk(t, c)
	r, err := first.setsUp(cardPIN)
	must(t, err)
	if k := r.VerifyKey; k == nil || !k.OnCard || !k.NewOnCard || !bytes.Equal(first.f.public, c.agrees()) {
		t.Fatalf("%+v", r)
	}
	second := newCardDesk(t, c)
	bob := newPrivate(t)
	second.f.public, second.f.bob.ID = first.f.public, first.f.bob.ID
	theirs := second.bobOf(bob)
	first.bobOf(bob)
	second.cards.insert(nil)
	if _, err := second.calls(report.VerifyWith{}); !errors.Is(err, verification.ErrNoKey) || len(second.f.asked) > 0 {
		t.Errorf("without the card: %v", err)
	}
	second.cards.insert(c)
	if a, b := first.said(report.VerifyWith{}), second.said(report.VerifyWith{}); a != b {
		t.Errorf("%q is said here, and %q there", a, b)
	} else if _, right, err := theirs("").Hear(b, second.clk.now()); err != nil || !right {
		t.Errorf("bob hears %q: %v, %v", b, right, err)
	}
	a, err := second.enrol(aliceUID, report.VerbVerifyKey, nil)
	must(t, err)
	if k := a.(report.VerifyKey); !k.OnCard || k.Fingerprint != r.VerifyKey.Fingerprint {
		t.Errorf("known there: %+v", k)
	}
	// What is remembered counts, with the card, where no server answers.
	second.restart()
	second.srv.be(down)
	second.run()
	second.wait("offline", func() bool { return second.d.Link().Now() == resolver.Offline })
	if c, err := second.calls(report.VerifyWith{}); err != nil || !c.Away || !c.NeedsPIN {
		t.Errorf("after a restart, offline: %+v, %v", c, err)
	}
	if code := second.said(report.VerifyWith{Again: true}); len(code) != 9 {
		t.Errorf("%q", code)
	}
}

// Promise verify-card-held.
func TestACardIsAskedOnceACallAndNothingOfItIsOnTheDisk(t *testing.T) {
	c := validCard(t)
	d := newCardDesk(t, c)
	_, err := d.setsUp(cardPIN)
	must(t, err)
	bob := d.bobOf(newPrivate(t))
	d.said(report.VerifyWith{})
	c.touch = true
	d.d.verify.End()
	var touches []bool
	args, err := json.Marshal(report.VerifyWith{Name: "bob", Again: true, PIN: cardPIN})
	must(t, err)
	must(t, d.d.Handle(bg, identity.Peer{UID: aliceUID}, report.VerbVerifyCall, args, func(v any) error { touches = append(touches, v.(report.VerifyCall).Touch); return nil }))
	if len(touches) != 2 || !touches[0] || touches[1] {
		t.Errorf("touches are asked for: %v", touches)
	}
	signs := d.cards.signs
	for range 2 {
		d.said(report.VerifyWith{Again: true})
	}
	hear := func(about, code string) report.VerifyVerdict {
		t.Helper()
		a, err := d.enrol(aliceUID, report.VerbVerifyHeard, report.VerifyHeard{Name: "bob", About: about, PublicKey: d.f.bob.Public, Code: code})
		must(t, err)
		return a.(report.VerifyVerdict)
	}
	if v := hear("", "1234 5678"); v.Verdict != verify.Wrong || d.cards.signs != signs {
		t.Errorf("%+v, %d uses of the card", v, d.cards.signs-signs)
	}
	if call, err := d.calls(report.VerifyWith{Again: true, About: "lunch"}); err != nil || !call.NeedsPIN {
		t.Errorf("about something else: %+v, %v", call, err)
	}
	code, _ := bob("").Say(d.clk.now())
	if v := hear("", code); v.Verdict != verify.Confirmed {
		t.Errorf("%+v", v)
	}
	if call, err := d.calls(report.VerifyWith{Again: true}); err != nil || !call.NeedsPIN {
		t.Errorf("once it is confirmed: %+v, %v", call, err)
	}
	if _, err := d.enrol(aliceUID, report.VerbVerifyHeard, report.VerifyHeard{Name: "bob", PublicKey: d.f.bob.Public, Code: code}); !errors.Is(err, verification.ErrNeedsCard) {
		t.Errorf("heard once it is confirmed: %v", err)
	}
	d.said(report.VerifyWith{})
	d.bobOf(newPrivate(t)) // another key
	if call, err := d.calls(report.VerifyWith{}); err != nil || !call.NeedsPIN {
		t.Errorf("with another key of the other: %+v, %v", call, err)
	}
	d.said(report.VerifyWith{})
	if call, err := d.calls(report.VerifyWith{Again: true}); err != nil || call.NeedsPIN {
		t.Errorf("held: %+v, %v", call, err)
	}
	d.stopped()
	if call, err := d.calls(report.VerifyWith{Again: true}); err != nil || !call.NeedsPIN {
		t.Errorf("once the daemon ended: %+v, %v", call, err)
	}
	must(t, filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, c.agreement.Bytes()) || bytes.Contains(b, []byte(cardPIN)) {
			t.Errorf("%s has the private half or the PIN", path)
		}
		return err
	}))
}

// stopped ends the desk as the end of the daemon does.
func (d *cardDesk) stopped() { d.d.verify.End() }

// Promise verify-card-refused.
func TestEachTroubleWithTheCardOfAKeyIsSaid(t *testing.T) {
	c := validCard(t)
	d := newCardDesk(t, c)
	if r, err := d.setsUp(""); err != nil || !r.NeedsProof || c.agreement != nil {
		t.Errorf("without a PIN: %+v, %v", r, err)
	}
	_, err := d.setsUp("654321")
	if err == nil || !strings.Contains(err.Error(), "2 tries left") || c.agreement != nil || len(d.f.fakeKeys.set) > 0 {
		t.Errorf("with a wrong one: %v", err)
	}
	_, err = d.setsUp(cardPIN)
	must(t, err)
	d.bobOf(newPrivate(t))
	call := func(want string, change func()) {
		t.Helper()
		before := *c
		change()
		_, err := d.calls(report.VerifyWith{PIN: cardPIN})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
		*c, d.cards.before = before, nil
		d.cards.insert(c)
	}
	call("No card is in the reader.", func() { d.cards.insert(nil) })
	call("not one of this account", func() { d.cards.insert(validCard(t)) })
	call("by another key than this card's in slot 9D", func() { c.agreement = nil })
	key := c.agreement
	c.agreement = nil
	if call, err := d.calls(report.VerifyWith{}); err == nil || call.NeedsPIN {
		t.Errorf("the PIN of a card that has another key is asked for: %+v", call)
	}
	c.agreement = key
	call("The PIN is wrong. 2 tries left.", func() { c.pin = "654321" })
	call("blocked", func() { c.retries = 0 })
	call("One PIN try is left", func() { c.retries = 1 })
	call("The card was removed.", func() { d.cards.before = func() error { return fault(identity.CardRemoved) } })
	if _, err := d.setsUp(cardPIN); err != nil || len(d.f.fakeKeys.set) != 2 {
		t.Errorf("set up again: %v", err)
	}
	if _, err := d.enrol(aliceUID+1, report.VerbVerifyCall, report.VerifyWith{Name: "bob", PIN: cardPIN}); !errors.Is(err, report.ErrForbidden) {
		t.Errorf("as somebody else: %v", err)
	}
	// Wrong PINs are counted here too, as at a login.
	c.pin = "654321"
	for range 12 {
		c.retries = 3
		_, _ = d.calls(report.VerifyWith{PIN: cardPIN})
	}
	signs := d.cards.signs
	if _, err := d.calls(report.VerifyWith{PIN: cardPIN}); err == nil || d.cards.signs != signs {
		t.Errorf("after 12 wrong PINs: %v, %d uses of the card", err, d.cards.signs-signs)
	}
}

// nobodyHere is a machine whose people are elsewhere.
type nobodyHere struct{}

func (nobodyHere) Session(string, uint32) (bool, error) { return false, nil }
func (nobodyHere) User(uint32) (bool, error)            { return false, nil }

// Promise verify-card-refused.
func TestAKeyOnACardIsUsedOnlyWhereItsOwnerSits(t *testing.T) {
	c := validCard(t)
	d := newCardDesk(t, c, func(h *testMachine) { h.seats = nobodyHere{} })
	if _, err := d.setsUp(cardPIN); err == nil || !strings.Contains(err.Error(), notAtReader) || c.agreement != nil || d.cards.signs > 0 {
		t.Errorf("set up from elsewhere: %v", err)
	}
	if _, err := d.calls(report.VerifyWith{}); !errors.Is(err, verification.ErrNoKey) || len(d.f.asked) > 0 {
		t.Errorf("a call from elsewhere: %v", err)
	}
}

// Promise verify-card-anywhere.
func TestWhereTheRealmsKeyIsElsewhereACardOfAnotherKeyIsNotTaken(t *testing.T) {
	c := validCard(t)
	d := newCardDesk(t, c)
	d.bobOf(newPrivate(t))
	other, err := verify.Public(newPrivate(t))
	must(t, err)
	d.f.public = other
	if _, err := d.calls(report.VerifyWith{}); !errors.Is(err, verification.ErrElsewhere) || !strings.Contains(err.Error(), "slot 9D") {
		t.Errorf("with no key here: %v", err)
	}
	d.setsVerifyKey(d.f, report.VerifySetUp{})
	d.f.public = other
	if _, err := d.calls(report.VerifyWith{}); !errors.Is(err, verification.ErrOtherKey) {
		t.Errorf("with one of this machine: %v", err)
	}
	// The realm has the key of the card now: it takes the place of this machine's.
	second := newCardDesk(t, c)
	_, err = second.setsUp(cardPIN)
	must(t, err)
	d.f.public = c.agrees()
	if code := d.said(report.VerifyWith{}); len(code) != 9 {
		t.Errorf("%q", code)
	}
	// It is removed, and stays on the card.
	d.srv.tamper = second.srv.tamper
	d.f.purpose, second.f.purpose = "", identity.PurposeOfVerifyKey(nil, false)
	a, err := d.enrol(aliceUID, report.VerbVerifySetUp, report.VerifySetUp{Remove: true, ProofArgs: report.ProofArgs{EnrolArgs: report.EnrolArgs{Password: "secret"}}})
	if err != nil || a.(report.Requested).VerifyKey != nil || c.agreement == nil {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := d.enrol(aliceUID, report.VerbVerifyKey, nil); !errors.Is(err, verification.ErrNoKey) {
		t.Errorf("once it is removed: %v", err)
	}
}
