package kanidm_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/report"
)

func crew(name string, gid any) map[string]any {
	return map[string]any{"name": name, "spn": name + "@idm.example.com", "uuid": uuid.NewString(), "gidnumber": gid}
}

// leftOut is what status says was left out of bob.
func (h *testMachine) leftOut() string {
	h.t.Helper()
	for _, l := range h.status().Providers[0].LeftOut {
		if l.Name == "bob" {
			return l.Reason
		}
	}
	return ""
}

// An odd part costs that part: the server of people who have used it for years holds some.
// Promise kanidm-odd-parts.
func TestAnOddPartOfAnAccountKeepsNobodyOut(t *testing.T) {
	for sentence, c := range map[string]struct {
		odd  func(p *person)
		told string
		want func(a identity.Account, groups []string) bool
	}{
		"a group of systemd's ids": {func(p *person) {
			p.Groups = []map[string]any{crew("big", 2147352577), crew("crew", 100001)}
		}, `group "big": id outside the allowed range`, func(_ identity.Account, g []string) bool { return slices.Equal(g, []string{"bob", "crew"}) }},
		"a group whose name is none": {func(p *person) {
			p.Groups = []map[string]any{crew("große", 100002), crew("crew", 100001)}
		}, `group "große"`, func(_ identity.Account, g []string) bool { return slices.Equal(g, []string{"bob", "crew"}) }},
		"a group of another form": {func(p *person) {
			p.Groups = []map[string]any{crew("new", "100002"), crew("crew", 100001)}
		}, "no uuid", func(_ identity.Account, g []string) bool { return slices.Equal(g, []string{"bob", "crew"}) }},
		"a colon in the display name": {
			func(p *person) { p.DisplayName = "Bob: the builder" }, "full name",
			func(a identity.Account, _ []string) bool { return a.FullName == "Bob  the builder" },
		},
		"a shell without its path": {
			func(p *person) { p.Shell = "bash" }, `shell: "bash": it has no path, and /bin/bash is taken`,
			func(a identity.Account, _ []string) bool { return a.Shell == "/bin/bash" },
		},
		"a key that is none": {
			func(p *person) { p.Keys = []string{"rubbish"} }, `ssh key "key 1"`,
			func(identity.Account, []string) bool { return true },
		},
		"keys of another form": {
			func(p *person) { p.Odd = map[string]any{"sshkeys": []any{map[string]any{"tag": "x"}}} }, `ssh key "key 1"`,
			func(identity.Account, []string) bool { return true },
		},
		"a field of a newer server": {
			func(p *person) { p.Odd = map[string]any{"passkeys": []int{1}} }, "",
			func(identity.Account, []string) bool { return true },
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := newRig(t)
			d.With(c.odd)
			h := d.testMachine()
			if code := h.login("correct horse"); code != identity.Granted {
				t.Fatal(code)
			}
			a, err := h.AccountByName(t.Context(), "bob")
			if err != nil {
				t.Fatal(err)
			}
			ids, err := h.GroupsOf(t.Context(), "bob")
			if err != nil {
				t.Fatal(err)
			}
			var groups []string
			for _, gid := range ids.GIDs {
				if g, err := h.GroupByGID(t.Context(), gid); err == nil {
					groups = append(groups, string(g.Name))
				}
			}
			slices.Sort(groups)
			if !c.want(a, groups) {
				t.Errorf("%+v, groups %v", a, groups)
			}
			if got := h.leftOut(); !strings.Contains(got, c.told) || (got == "") != (c.told == "") {
				t.Errorf("status says %q, want %q", got, c.told)
			}
			d.Close()
			if code := h.login("correct horse"); code != identity.Granted {
				t.Error("offline:", code)
			}
		})
	}
}

// What an account was seen to hold counts only for a sign-in that can ask for it.
// Promise kanidm-unmeetable.
func TestAFactorThatTheSignInCannotAskForIsNotDemanded(t *testing.T) {
	d := newRig(t)
	d.With(two)
	memory := &providertest.Memory{}
	share := func(o *kanidm.Options) { o.Memory = memory }
	p := d.machine(func(o *kanidm.Options) { stepped(o); share(o) })
	r, err := login(t, p, "bob", given{identity.Password, "battery staple"}, given{identity.TOTP, "012345"})
	if err != nil || !slices.Contains(r.Record.Token.Held(), identity.TOTP) {
		t.Fatalf("%v, %v", r, err)
	}
	h := d.testMachine(func(o *kanidm.Options) { o.Memory = memory })
	if code := h.login("correct horse"); code != identity.Granted {
		t.Error("by the POSIX password:", code)
	}
	if s := h.state(); s != "online" {
		t.Error("the server counts as", s)
	}
	if code := h.login("wrong"); code != identity.Denied {
		t.Error("a wrong one:", code)
	}
	// And back: the code is asked for again.
	if r, err := p.Fetch(t.Context(), "bob"); err != nil || !slices.Contains(r.Token.Held(), identity.TOTP) {
		t.Errorf("%v, %v", r.Token.Held(), err)
	}
}

// Promise kanidm-unmeetable.
func TestADemandThatTheSignInCannotMeetNamesTheSetting(t *testing.T) {
	d := newRig(t)
	d.With(two)
	d.among = func(o *daemon.Options) {
		o.Policy.Services = map[string]policy.Service{"vault": {Factors: []identity.FactorKind{identity.TOTP}}}
	}
	h := d.testMachine()
	p := &listening{typing: typing{[]string{"correct horse"}}}
	v := h.Decide(t.Context(), identity.Login{Operation: identity.OpAuthenticate, Service: "vault", User: "bob"}, p)
	told := strings.Join(strings.Fields(strings.Join(p.told, " ")), " ")
	if v.Code == identity.Granted || !strings.Contains(told, "a one-time code") || !strings.Contains(told, `sign_in = "stepped"`) {
		t.Errorf("%v, told %q", v.Code, told)
	}
	if s := h.state(); s != "online" {
		t.Error("the server counts as", s)
	}
}

// listening is a person who remembers what was said.
type listening struct {
	typing
	told []string
}

func (p *listening) Tell(_ context.Context, _ identity.Style, text string) error {
	p.told = append(p.told, text)
	return nil
}

func (h *testMachine) state() string { return h.status().Providers[0].State }

func (h *testMachine) status() (s report.Status) {
	h.t.Helper()
	if err := h.Handle(h.t.Context(), identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// until waits for what status says.
func (h *testMachine) until(what string, is func(report.Status) bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	for !is(h.status()) {
		select {
		case <-ctx.Done():
			h.t.Fatal("waited in vain for", what)
		case <-time.After(time.Millisecond): // between looks, not for the condition
		}
	}
}

// Somebody else's wrong guesses lock the account at the server, which says no to the right
// password, too: that ends nothing here.
// Promise kanidm-lock.
func TestALockAtTheServerEndsNothingHere(t *testing.T) {
	for sentence, c := range map[string]struct {
		how      func(*kanidm.Options)
		password string
		locked   identity.Code
	}{
		"by the POSIX password, where it is said as for a wrong one": {func(o *kanidm.Options) { o.SoftLock = 100 * time.Millisecond }, "correct horse", identity.Denied},
		"stepped, where the server says so":                          {stepped, "battery staple", identity.TooManyTries},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := newRig(t)
			h := d.testMachine(c.how)
			if code := h.login(c.password); code != identity.Granted {
				t.Fatal(code)
			}
			d.With(func(p *person) { p.Locked = true })
			if code := h.login(c.password); code != c.locked {
				t.Error("locked:", code)
			}
			d.With(func(p *person) { p.Locked = false })
			h.asked(d)
			d.Close()
			if code := h.login(c.password); code != identity.Granted {
				t.Error("offline:", code)
			}
		})
	}
}

// asked waits, where the server did not say why it refused, until it was asked once more.
func (h *testMachine) asked(d *rig) {
	h.t.Helper()
	h.until("a second question", func(report.Status) bool { return d.Count("POST /v1/account/bob/_unix/_auth") != 2 })
}

// Of all that a server can answer at a sign-in, only its word on this password ends what is
// remembered of it.
// Promise kanidm-password-word.
func TestWhatIsNoWordOnThePasswordEndsNothing(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"too many requests": func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		"maintenance": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("<html>back soon</html>"))
		},
		"a proxy without a server": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"a fault of its own":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"a page of a proxy":        func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>log in to the hotel</html>")) },
		"another form":             func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"state":7}`)) },
		"nothing":                  func(http.ResponseWriter) {},
	}
	for mode, change := range map[string]func(*kanidm.Options){"posix": func(*kanidm.Options) {}, "stepped": stepped} {
		for sentence, answer := range answers {
			t.Run(mode+", "+sentence, func(t *testing.T) {
				d := newRig(t)
				password := map[string]string{"posix": "correct horse", "stepped": "battery staple"}[mode]
				h := d.testMachine(change)
				if code := h.login(password); code != identity.Granted {
					t.Fatal(code)
				}
				d.Before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodPost {
						return false
					}
					answer(w)
					return true
				}
				if code := h.login(password); code != identity.Granted {
					t.Error("it does not go on offline:", code)
				}
				d.Before = nil
				d.Close()
				if code := h.login(password); code != identity.Granted {
					t.Error("offline afterwards:", code)
				}
			})
		}
	}
}
