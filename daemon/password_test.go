package daemon

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestPasswordsAreChangedOnTheServerOnly(t *testing.T) {
	change := func(h *testMachine, prelim bool, old string, answers ...string) (identity.Verdict, *typist) {
		conv := typing(answers...)
		return h.d.Decide(context.Background(), identity.Login{
			Operation: identity.OpChangePassword, User: "alice", Prelim: prelim, OldPass: identity.NewSecret([]byte(old)),
		}, conv), conv
	}
	for sentence, c := range map[string]struct {
		prelim  bool
		old     string
		answers []string
		want    identity.Code
		told    string
	}{
		"the first round asks the old one":    {true, "", []string{"secret"}, identity.Granted, ""},
		"the first round is left":             {true, "", nil, identity.ConversationFailed, ""},
		"the second round asks the new twice": {false, "secret", []string{"longer", "longer"}, identity.Granted, ""},
		"the two differ":                      {false, "secret", []string{"longer", "other1", "longer", "longer"}, identity.Granted, "not the same"},
		"nothing is given":                    {false, "secret", []string{"", "longer", "longer"}, identity.PasswordUnchanged, "No new password"},
		"nothing but weak ones":               {false, "secret", []string{"x", "x", "y", "z", "x", "x", "longer", "longer"}, identity.PasswordUnchanged, "Nothing was changed. Choose another password."},
		"the old one is wrong":                {false, "wrong", []string{"longer", "longer"}, identity.PasswordMismatch, ""},
		"there is no old one":                 {false, "", []string{"longer", "longer"}, identity.PasswordMismatch, ""},
		"the new one is weak":                 {false, "secret", []string{"x", "x", "longer", "longer"}, identity.Granted, "at least 6 characters"},
		"it is left behind a weak one":        {false, "secret", []string{"x", "x"}, identity.ConversationFailed, "at least 6 characters"},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			v, conv := change(h, c.prelim, c.old, c.answers...)
			if v.Code != c.want || !strings.Contains(strings.Join(conv.told, "\n"), c.told) {
				t.Fatalf("code %d, told %q", v.Code, conv.told)
			}
		})
	}
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	if v, _ := change(h, false, "secret", "longer", "longer"); v.Code != identity.Granted {
		t.Fatal(v.Code)
	}
	h.lost()
	h.expect(identity.Denied, "alice", "secret")
	h.expect(identity.Granted, "alice", "longer")
	if v, conv := change(h, false, "longer", "newest", "newest"); v.Code != identity.PasswordUnchanged || len(conv.told) != 1 {
		t.Fatalf("offline: %d, %q", v.Code, conv.told)
	}
}
