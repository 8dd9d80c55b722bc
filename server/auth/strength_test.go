package auth

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

func hexOf(c *softCard) string { return hex.EncodeToString(identity.CardFingerprint(c.der)) }

// rule is the rule once more, in plain words and without a look at package
// identity's: which answers there are after some were given.
type rule struct{ password, totp, card, codes bool }

func (r rule) String() string {
	return fmt.Sprintf("password=%t totp=%t card=%t codes=%t", r.password, r.totp, r.card, r.codes)
}

func (r rule) holds(k string) bool {
	return map[string]bool{"password": r.password, "totp": r.totp, "piv": r.card, "backup-code": r.codes}[k]
}

// suffices: the card, or the password and, if there is a generator, a code.
func (r rule) suffices(done []string) bool {
	code := slices.Contains(done, "totp") || slices.Contains(done, "backup-code")
	return slices.Contains(done, "piv") || slices.Contains(done, "password") && (!r.totp || code)
}

// says what comes after those steps.
func (r rule) says(done []string, more bool) string {
	var left []string
	for _, k := range []string{"piv", "totp", "backup-code", "password"} { // strongest first
		if r.holds(k) && !slices.Contains(done, k) {
			left = append(left, k)
		}
	}
	if r.suffices(done) && (!more || len(left) == 0) {
		return "allow"
	}
	return "offer " + strings.Join(left, " ")
}

// TestWhatIsHeldAndAskedForDecidesOffersAndVerdict walks every path through every
// account, with and without more: the verdict and each offer are what the plain
// rule says.
// Promise strength-offered.
func TestWhatIsHeldAndAskedForDecidesOffersAndVerdict(t *testing.T) {
	for i := range 16 {
		r := rule{i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0}
		if !r.password && !r.card || r.codes && !r.totp {
			continue // nobody can begin; there are no codes without a generator
		}
		t.Run(r.String(), func(t *testing.T) {
			t.Parallel()
			w := newWalker(t, r)
			for _, first := range []string{"password", "piv"} {
				w.walk([]string{first}, nil)
			}
			if w.walked == 0 {
				t.Fatal("nothing was walked")
			}
		})
	}
}

// walker plays paths of (kind, more) from the beginning each.
type walker struct {
	*bench
	rule
	card   *softCard
	codes  []string
	walked int
}

func newWalker(t *testing.T, r rule) *walker {
	b := newBench(t)
	w := &walker{bench: b, rule: r, card: b.card("P-256", "card")}
	if !r.password { // an account of its own, for a password is not taken away
		b.must(b.admin.RemoveAccount(t.Context(), &v1.NameRequest{Name: "alice"}))
		b.must(b.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	}
	if r.totp {
		b.totp()
	}
	if r.card {
		b.give("alice", w.card)
	}
	return w
}

// walk plays steps with every choice of more, and goes on from each offer.
func (w *walker) walk(steps []string, mores []bool) {
	w.t.Helper()
	for _, more := range []bool{false, true} {
		tried := append(slices.Clone(mores), more)
		got, ok := w.play(steps, tried)
		if !ok {
			continue
		}
		w.walked++
		want := "deny"
		if last := steps[len(steps)-1]; w.holds(last) {
			want = w.says(steps, more)
		}
		if got.said() != want {
			w.t.Fatalf("%v, more %v: %s, want %s", steps, tried, got.said(), want)
		}
		for _, k := range got.offers {
			w.walk(append(slices.Clone(steps), string(k)), tried)
		}
	}
}

func (a answer) said() string {
	if a.outcome() == "deny" || a.allow {
		return a.outcome()
	}
	return "offer " + strings.Join(realm.Words(a.offers), " ")
}

// play answers the steps rightly and returns the last answer.
func (w *walker) play(steps []string, mores []bool) (answer, bool) {
	w.t.Helper()
	w.unix.Add(120) // so that there is a fresh code
	if w.rule.codes && len(w.codes) == 0 {
		made, err := w.admin.NewBackupCodes(w.t.Context(), &v1.NameRequest{Name: "alice"})
		w.must(nil, err)
		w.codes = made.GetCodes()[1:] // one is never used: there is always one left
	}
	w.must(w.admin.UnlockAccount(w.t.Context(), &v1.NameRequest{Name: "alice"}))
	a := w.begin(session{})
	for i, k := range steps {
		if !slices.Contains(a.offers, identity.FactorKind(k)) {
			return a, false
		}
		switch k {
		case "piv":
			a = w.sign(a, w.card, mores[i])
		case "password":
			a = w.send(a.cookie, identity.Password, right, mores[i])
		case "totp":
			a = w.send(a.cookie, identity.TOTP, w.code(0), mores[i])
		case "backup-code":
			a = w.send(a.cookie, identity.BackupCode, w.codes[0], mores[i])
			w.codes = w.codes[1:]
		}
	}
	return a, true
}
