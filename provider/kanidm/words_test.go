package kanidm_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// asked is a person who remembers the questions.
type asked struct {
	listening
	questions []string
}

func (p *asked) Ask(ctx context.Context, s identity.Style, question string) (identity.Secret, error) {
	p.questions = append(p.questions, question)
	return p.listening.Ask(ctx, s, question)
}

func (h *testMachine) talks(answers ...string) (identity.Code, *asked) {
	h.t.Helper()
	p := &asked{listening: listening{typing: typing{answers}}}
	v := h.Decide(h.t.Context(), identity.Login{Operation: identity.OpAuthenticate, Service: "login", User: "bob"}, p)
	return v.Code, p
}

func TestAPromptSaysThatABackupCodeIsTakenToo(t *testing.T) {
	d := newRig(t)
	d.With(two)
	h := d.testMachine(stepped)
	for _, when := range []string{"at the first sign-in", "at the next"} {
		code, p := h.talks("battery staple", "012345")
		if code != identity.Granted || len(p.questions) != 2 || !strings.Contains(p.questions[1], "backup code") {
			t.Errorf("%s: %v, asked %q", when, code, p.questions)
		}
	}
}

func TestAnOldNameAfterARenameIsAskedForNothingTwice(t *testing.T) {
	d := newRig(t)
	h := d.testMachine()
	if code, _ := h.talks("correct horse"); code != identity.Granted {
		t.Fatal(code)
	}
	d.With(func(p *person) { p.Name = "robert" })
	code, p := h.talks("correct horse", "correct horse")
	if code == identity.Granted || len(p.questions) > 1 {
		t.Errorf("%v, asked %q, told %q", code, p.questions, p.told)
	}
}

// Promise kanidm-yes-fits.
func TestANewDatabaseAtTheAddressIsNotOffline(t *testing.T) {
	d := newRig(t)
	h := d.testMachine()
	if code, _ := h.talks("correct horse"); code != identity.Granted {
		t.Fatal(code)
	}
	d.With(func(p *person) { p.UUID = otherBob })
	code, p := h.talks("correct horse")
	told := strings.Join(p.told, " ")
	if code == identity.Granted || strings.Contains(told, "Offline") || strings.Contains(told, "network") {
		t.Errorf("%v, told %q", code, told)
	}
	if s := h.state(); s != "online" {
		t.Error("the server counts as", s)
	}
}
