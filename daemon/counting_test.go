package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Where logins come from, as the host programs say.
func bySSH(addr string) identity.Login { return identity.Login{Service: "sshd", RemoteHost: addr} }

func bySu(uid uint32) identity.Login {
	return identity.Login{Service: "su", Caller: identity.Caller{Known: true, LoginUID: uid, RealUID: uid}}
}

func atSeat() identity.Login {
	return identity.Login{Service: "login", Caller: identity.Caller{Known: true, LoginUID: identity.NoLoginUID}}
}

func (h *testMachine) as(l identity.Login, password string) identity.Code {
	h.t.Helper()
	l.Operation, l.User = identity.OpAuthenticate, "alice"
	h.d.p.RemoteReasons = true // for the codes
	return h.d.Decide(context.Background(), l, typing(password)).Code
}

// Promise attack-person-passwords, guess-own-place.
func TestAGuesserUsesUpHisOwnTriesAndNoOthers(t *testing.T) {
	for name, guesser := range map[string]identity.Login{"su": bySu(1000), "ssh": bySSH("127.0.0.2"), "the seat": atSeat()} {
		t.Run(name, func(t *testing.T) {
			h := remembered(t, nil)
			for range h.d.p.OfflineTries {
				if c := h.as(guesser, "wrong"); c != identity.Denied {
					t.Fatalf("wrong: %s", c)
				}
			}
			h.restart()
			h.lostAgain()
			if c := h.as(guesser, "secret"); c != identity.TooManyTries {
				t.Errorf("the guesser: %s", c)
			}
			for other, l := range map[string]identity.Login{"su": bySu(1001), "ssh": bySSH("127.0.0.1"), "the seat": atSeat()} {
				if l.Origin() == guesser.Origin() {
					continue
				}
				if c := h.as(l, "secret"); c != identity.Granted {
					t.Errorf("%s: %s", other, c)
				}
			}
		})
	}
}

// Promise attack-machine-failures, guess-own-place.
func TestManyPlacesLockOnlyPlacesWithoutASignIn(t *testing.T) {
	h := remembered(t, nil)
	usual := bySSH("198.51.100.7")
	if c := h.as(usual, "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	guesses := 0
	for i := range 100 {
		if h.as(bySSH(fmt.Sprintf("203.0.113.%d", i)), "wrong") == identity.Denied {
			guesses++
		}
	}
	if guesses != 20 {
		t.Errorf("%d guesses from 100 addresses", guesses)
	}
	for place, c := range map[string]struct {
		l    identity.Login
		want identity.Code
	}{
		"a new address": {bySSH("192.0.2.1"), identity.TooManyTries}, "her usual address": {usual, identity.Granted},
		"the seat": {atSeat(), identity.Granted}, "another user's su": {bySu(1001), identity.TooManyTries},
	} {
		if got := h.as(c.l, "secret"); got != c.want {
			t.Errorf("%s: %s", place, got)
		}
	}
	var x report.Explanation
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error { x = v.(report.Explanation); return nil }))
	if len(x.Locks) != 1 || x.Locks[0].Origin != "" || x.Locks[0].Factor != "password" || x.Locked == nil {
		t.Errorf("locks %+v", x.Locks)
	}
	var s report.Status
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
	if !slices.ContainsFunc(s.Findings, func(f report.Finding) bool {
		return f.Check == "locks" && strings.Contains(f.Detail, "an account for attempts")
	}) {
		t.Errorf("findings %+v", s.Findings)
	}
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbUnlock, []byte(`{"name":"alice"}`), nil))
	if c := h.as(bySSH("192.0.2.1"), "secret"); c != identity.Granted {
		t.Errorf("after unlock: %s", c)
	}
}
