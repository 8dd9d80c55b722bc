package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// enrolCard answers the offer of a new card.
func (b *bench) enrolCard(a answer, c *softCard) answer {
	b.t.Helper()
	p := c.proof(b.t, b.asked(a))
	p.Certificate = c.der
	return b.send(a.cookie, identity.NewPIV, encoded(b.t, p), false)
}

// adding is a person's way to the offer of a new card, with the password.
func (b *bench) adding() answer {
	b.t.Helper()
	return b.send(b.begin(session{enrol: identity.PIV}).cookie, identity.Password, right, false)
}

// Promise card-one-account.
func TestACardIsEnrolledByItsOwnSignature(t *testing.T) {
	b := newBench(t)
	c := b.card("P-384", "Alice: card") // what may not stand in a label is not taken
	a := b.adding()
	if a.said() != "offer new-piv" || a.nonce == (identity.Nonce{}) {
		t.Fatal(a.said())
	}
	done := b.enrolCard(a, c)
	if !done.allow {
		t.Fatal(done.message)
	}
	token, err := b.ring().IDToken(done.id)
	if err != nil || len(token.Factors) != 2 || token.Factors[1].Label != "card" {
		t.Fatal(token, err)
	}
	s, err := b.ring().SessionToken(done.session)
	if err != nil || len(s.Methods) != 2 {
		t.Fatal(s.Methods, err)
	}
	if got := b.sign(b.begin(session{}), c, false); !got.allow {
		t.Fatal(got.reason)
	}
	if rows := b.audited("account.enrol-piv"); len(rows) != 1 || !strings.Contains(rows[0], hexOf(c)) {
		t.Fatal(rows)
	}
}

// Promise card-one-account.
func TestACardThatMayNotBecomeTheAccountsIsRefusedWithTheReason(t *testing.T) {
	b := newBench(t)
	theirs, gone, mine := b.card("P-256", "a"), b.card("P-256", "b"), b.card("P-256", "c")
	b.give("carol", theirs)
	b.give("alice", gone)
	b.must(b.admin.RevokeCard(t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hexOf(gone)}))
	again := &softCard{gone.key, b.reissue(gone)}
	other := b.card("P-256", "d")
	for what, c := range map[string]struct {
		answer func(a answer) answer
		says   string
	}{
		"another's":           {func(a answer) answer { return b.enrolCard(a, theirs) }, "belongs to another account"},
		"another's, reissued": {func(a answer) answer { return b.enrolCard(a, &softCard{theirs.key, b.reissue(theirs)}) }, "belongs to another account"},
		"revoked":             {func(a answer) answer { return b.enrolCard(a, gone) }, "was revoked"},
		"revoked, reissued":   {func(a answer) answer { return b.enrolCard(a, again) }, "was revoked"},
		"another card signed": {func(a answer) answer { return b.enrolCard(a, &softCard{other.key, mine.der}) }, "did not sign"},
		"malformed":           {func(a answer) answer { return b.send(a.cookie, identity.NewPIV, "x", false) }, "not understood"},
		"no certificate": {func(a answer) answer {
			return b.send(a.cookie, identity.NewPIV, encoded(t, mine.proof(t, b.asked(a))), false)
		}, "not understood"},
		"the offer is not a card": {func(a answer) answer { return b.send(a.cookie, identity.PIV, "x", false) }, denial},
	} {
		got := c.answer(b.adding())
		if got.outcome() != "deny" || !strings.Contains(got.message, c.says) || b.failures("alice") != 0 {
			t.Errorf("%s: %s, %q, %d failures", what, got.outcome(), got.message, b.failures("alice"))
		}
	}
	for range maxCards {
		b.give("alice", b.card("P-256", "more"))
	}
	if _, err := b.admin.AddCard(t.Context(), &v1.AddCardRequest{Name: "alice", Certificate: mine.der}); err == nil || !strings.Contains(err.Error(), "8 cards") {
		t.Error(err)
	}
}

// reissue is another certificate for the same key.
func (b *bench) reissue(c *softCard) []byte {
	now := time.Unix(b.unix.Load(), 0)
	return certify(b.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "again"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}, nil, c.key, nil)
}

// TestWhoHoldsSomethingStrongMustProveItToAddMore keeps a stolen password from
// adding a card, and with it a way into all that demands one.
// Promise factor-change.
func TestWhoHoldsSomethingStrongMustProveItToAddMore(t *testing.T) {
	b := newBench(t)
	first, second := b.card("P-256", "first"), b.card("P-256", "second")
	b.give("alice", first)
	a := b.adding()
	if a.said() != "offer piv" {
		t.Fatal("a password alone adds a card beside another: " + a.said())
	}
	if a = b.sign(a, first, false); a.said() != "offer new-piv" {
		t.Fatal(a.said())
	}
	if got := b.enrolCard(a, second); !got.allow {
		t.Fatal(got.message)
	}
	if got := b.send(b.begin(session{enrol: identity.TOTP}).cookie, identity.Password, right, false); got.said() != "offer piv" {
		t.Fatal("a password alone adds a generator beside a card: " + got.said())
	}
}

// TestWhatIsHeldMeanwhileMustBeProvedToo: a thief of the password begins before the
// owner has a card, and confirms after.
// Promise factor-change.
func TestWhatIsHeldMeanwhileMustBeProvedToo(t *testing.T) {
	for what, kind := range map[string]identity.FactorKind{"a card": identity.PIV, "a generator": identity.TOTP} {
		b := newBench(t)
		a := b.send(b.begin(session{enrol: kind}).cookie, identity.Password, right, false)
		b.give("alice", b.card("P-256", "hers"))
		var got answer
		if kind == identity.PIV {
			got = b.enrolCard(a, b.card("P-256", "the thief's"))
		} else {
			got = b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a))
		}
		if got.outcome() != "deny" {
			t.Errorf("%s was added with a password alone beside a card", what)
		}
	}
}

func TestAPersonMakesBackupCodesWithWhatIsEnough(t *testing.T) {
	b := newBench(t)
	begin := func() answer {
		return b.send(b.begin(session{enrol: identity.BackupCode}).cookie, identity.Password, right, false)
	}
	if got := begin(); got.outcome() != "deny" || !strings.Contains(got.message, "one-time code") {
		t.Fatalf("without a generator: %+v", got)
	}
	b.totp()
	old := b.backupCodes()
	a := begin()
	if a.said() != "offer totp backup-code" || len(a.codes) != 0 {
		t.Fatal(a.said())
	}
	done := b.send(a.cookie, identity.BackupCode, old[0], false)
	if !done.allow || len(done.codes) != backupCodes {
		t.Fatalf("%s, %d codes", done.reason, len(done.codes))
	}
	if got := b.withBackup(old[1]); got.allow {
		t.Fatal("the older codes are good")
	}
	if got := b.withBackup(string(done.codes[0].Reveal())); !got.allow {
		t.Fatal(got.reason)
	}
	if rows := b.audited("account.enrol-backup-codes"); len(rows) != 1 || strings.Contains(rows[0], string(done.codes[0].Reveal())) {
		t.Fatal(rows)
	}
}

// Promise factor-change.
func TestAFactorIsGivenUpOnlyWithAProofAsStrong(t *testing.T) {
	b := newBench(t)
	b.totp()
	c := b.card("P-256", "card")
	b.give("alice", c)
	codes := b.backupCodes()
	// With a card the password would do for a login; not for this.
	card := session{remove: identity.PIV, removeCard: identity.CardFingerprint(c.der)}
	a := b.send(b.begin(card).cookie, identity.Password, right, false)
	if a.said() != "offer piv" {
		t.Fatal("something weaker gives a card up: " + a.said())
	}
	if got := b.sign(a, c, false); !got.allow {
		t.Fatal(got.reason, got.message)
	}
	got := b.sign(b.begin(session{}), c, false)
	if got.message != cardRevoked {
		t.Fatalf("a card that was given up: %+v", got)
	}
	// A backup code is as strong as the generator that was lost.
	a = b.send(b.begin(session{remove: identity.TOTP}).cookie, identity.Password, right, false)
	if got := b.send(a.cookie, identity.BackupCode, codes[0], false); !got.allow {
		t.Fatal(got.reason, got.message)
	} else if token, err := b.ring().IDToken(got.id); err != nil || len(token.Factors) != 1 || len(token.RevokedCards) != 1 {
		t.Fatal(token, err)
	}
	if rows := append(b.audited("account.remove-piv"), b.audited("account.remove-totp")...); len(rows) != 2 {
		t.Fatal(rows)
	}
	if got := b.send(b.begin(session{remove: identity.TOTP}).cookie, identity.Password, right, false); got.outcome() != "deny" {
		t.Fatal("what is not there was given up")
	}
}

// Promise factor-change.
func TestTheOnlyWayInIsNotGivenUp(t *testing.T) {
	b := newBench(t)
	c := b.card("P-256", "card")
	b.give("carol", c) // has no password
	a := b.begin(session{name: "carol", remove: identity.PIV, removeCard: identity.CardFingerprint(c.der)})
	challenge := b.asked(a)
	challenge.Account = b.uuid("carol")
	got := b.send(a.cookie, identity.PIV, encoded(t, c.proof(t, challenge)), false)
	if got.outcome() != "deny" || got.message != string(errOnlyWay) {
		t.Fatalf("%+v", got)
	}
}

func TestOnlyFactorsThatAPersonMayChangeAreNamed(t *testing.T) {
	print := make([]byte, 32)
	for what, req := range map[string]*v1.BeginRequest{
		"enrol a password":         {Enrol: "password"},
		"remove a password":        {Remove: "password"},
		"both":                     {Enrol: "totp", Remove: "totp"},
		"a card without its name":  {Remove: "piv"},
		"a card by half its name":  {Remove: "piv", RemoveCard: print[:16]},
		"a card's name with totp":  {Remove: "totp", RemoveCard: print},
		"what there is not at all": {Enrol: "iris"},
	} {
		if newFactors().checkAlteration(req) == nil {
			t.Error(what)
		}
	}
	for _, req := range []*v1.BeginRequest{{}, {Enrol: "piv"}, {Remove: "backup-code"}, {Remove: "piv", RemoveCard: print}} {
		if err := newFactors().checkAlteration(req); err != nil {
			t.Error(req, err)
		}
	}
}
