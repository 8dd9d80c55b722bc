package kanidm_test

import (
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// Kanidm's own unixd gives the default shell for each that it does not find, nologin too.
// Promise shells.
func TestAShellThatIsNotHereKeepsNobodyOutWhoWasToComeIn(t *testing.T) {
	has := []string{"/bin/sh", "/bin/bash", "/usr/bin/bash", "/usr/local/bin/fish", "/usr/bin/git-shell", "/usr/sbin/nologin"}
	for _, c := range []struct{ asked, here string }{
		{"/bin/bash", "/bin/bash"},
		{"bash", "/bin/bash"},
		{"/usr/local/bin/bash", "/bin/bash"},
		{"/opt/homebrew/bin/bash", "/bin/bash"},
		{"/usr/bin/fish", "/usr/local/bin/fish"},
		{"zsh", "/bin/sh"},
		{"/usr/bin/zsh", "/bin/sh"},
		// What keeps out, or holds to one program, goes on to.
		{"/usr/bin/nologin", "/usr/sbin/nologin"},
		{"/usr/bin/false", "/bin/false"},
		{"/usr/bin/git-shell", "/usr/bin/git-shell"},
		{"/usr/local/bin/git-shell", "/usr/local/bin/git-shell"},
		{"/bin/rbash", "/bin/rbash"},
		{"/srv/jail/bash", "/srv/jail/bash"},
		{"git-shell", "/usr/sbin/nologin"},
	} {
		t.Run(c.asked, func(t *testing.T) {
			d := newRig(t)
			d.With(func(p *person) { p.Shell = c.asked })
			r, err := d.machine(func(o *kanidm.Options) {
				o.Installed = func(program string) bool { return slices.Contains(has, program) }
			}).Fetch(t.Context(), "bob")
			if err != nil || r.Token.Account.Shell != c.here || r.Token.Validate() != nil {
				t.Fatalf("%q, want %q, %v", r.Token.Account.Shell, c.here, err)
			}
			told := slices.ContainsFunc(r.Token.LeftOut, func(l identity.LeftOut) bool { return l.Part == "shell" })
			if told != (c.asked != c.here) {
				t.Errorf("status is told %v", r.Token.LeftOut)
			}
		})
	}
}
