package module_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/pam/module"
	"github.com/sallyport-auth/sallyport/seat"
)

var cgroups = map[string]string{
	"0::/user.slice/user-1000.slice/session-3.scope\n":                                        "3",
	"0::/user.slice/user-1000.slice/session-c12.scope\n":                                      "c12",
	"0::/user.slice/user-1000.slice/session-3.scope/deeper\n":                                 "3",
	"12:pids:/x\n1:name=systemd:/user.slice/user-1000.slice/session-7.scope\n0::/\n":          "7",
	"0::/user.slice/user-1000.slice/session-3.scope":                                          "3",
	"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice": "",
	"0::/system.slice/ssh.service\n":                                                          "",
	"0::/\n":                                                                                  "",
	"":                                                                                        "",
	"0::session-3.scope":                                                                      "3",
	"1:cpu:/user.slice/session-3.scope\n":                                                     "",
	"10::/session-3.scope\n":                                                                  "",
	"0::/session-.scope\n":                                                                    "",
	"0::/session-../../etc.scope\n":                                                           "",
	"0::/session-3_1.scope\n":                                                                 "",
	"0::/session-3.scope.d\n":                                                                 "",
	"0::/xsession-3.scope\n":                                                                  "",
	"0:/session-3.scope\n":                                                                    "",
	"0::/session-" + strings.Repeat("1", 64) + ".scope":                                       strings.Repeat("1", 64),
	"0::/session-" + strings.Repeat("1", 65) + ".scope":                                       "",
}

// Promise card-owner.
func TestLogindsSessionIsReadOfTheCgroup(t *testing.T) {
	for text, want := range cgroups {
		if id, ok := module.LogindSession([]byte(text)); id != want || ok != (want != "") {
			t.Errorf("%q: %q, %t; want %q", text, id, ok, want)
		}
		if id := seat.SessionOf(text); id != want {
			t.Errorf("%q in Go: %q, want %q", text, id, want)
		}
	}
	if text, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		if id, _ := module.LogindSession(text); id != seat.SessionOf(string(text)) {
			t.Errorf("of itself: %q", id)
		}
	}
}

// Promise card-owner.
func FuzzCgroup(f *testing.F) {
	for text := range cgroups {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, _ := module.LogindSession(text)
		if other := seat.SessionOf(string(text)); id != other {
			t.Errorf("%q: %q in C, %q in Go", text, id, other)
		}
		if strings.ContainsFunc(id, func(r rune) bool {
			return !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r)
		}) {
			t.Errorf("id %q", id)
		}
	})
}
