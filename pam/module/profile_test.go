package module_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// sessionLines are those of our pam-auth-update profile, as common-session has them
// between what Debian writes around them. Our module is the one that is tested, and in
// the place of pam_mkhomedir a file is touched.
func (r *rig) sessionLines(touched string) string {
	r.t.Helper()
	profile, err := os.ReadFile("../../packaging/pam-config")
	if err != nil {
		r.t.Fatal(err)
	}
	_, lines, found := strings.Cut(string(profile), "\nSession:\n")
	if !found {
		r.t.Fatal("the profile has no session lines")
	}
	var b strings.Builder
	b.WriteString("session [default=1] pam_permit.so\nsession requisite pam_deny.so\nsession required pam_permit.so\n")
	for line := range strings.Lines(lines) {
		line = strings.Replace(line, "pam_sallyport.so", r.v.module+" socket="+r.socket, 1)
		line = strings.Replace(line, "pam_mkhomedir.so", "pam_exec.so quiet type=open_session /usr/bin/touch "+touched, 1)
		b.WriteString("session " + strings.TrimSpace(line) + "\n")
	}
	b.WriteString("session required pam_permit.so\n")
	return b.String()
}

// In the closing phase a jump may count as the module's own result (pam.conf(5)), so no
// line of ours jumps on anything but a success.
// Promise homes.
func TestTheProfileMakesHomesForOursAndClosesForAll(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var code atomic.Uint32 // the server reads it
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			return identity.Verdict{Code: identity.Code(code.Load())}
		}))
		for _, c := range []struct {
			name string
			code identity.Code
			home bool
		}{
			{"alice", identity.Granted, true},
			{"root", identity.Granted, false},         // local: the daemon is not asked
			{"grace", identity.UnknownUser, false},    // of another directory
			{"alice", identity.AccountExpired, false}, // came by a key that is not ours
			{"alice", identity.Unavailable, false},    // nobody can tell
		} {
			code.Store(uint32(c.code))
			touched := filepath.Join(r.confdir, "touched")
			_ = os.Remove(touched)
			r.service(r.sessionLines(touched))
			want(t, r.run(nil, c.name, "open", "close"), "open=0", "close=0")
			_, err := os.Stat(touched)
			if made := err == nil; made != c.home {
				t.Errorf("%s, %v: a home is made: %v, want %v", c.name, fmt.Sprint(c.code), made, c.home)
			}
		}
	})
}
