package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/test/kanidm"
)

// What kanidm-unixd 1.11.1 answered for such people, with Kanidm's own example file. Where
// ours is another by choice, docs/kanidm.md says so and the line is ours.
// Promise kanidm-migration.
func TestAMigratedMachineAnswersAsKanidmUnixdDid(t *testing.T) {
	w := kanidmServer(t, bare(t))
	r := w.Realm
	crew := []map[string]any{{"name": "crew", "spn": "crew@" + kanidm.Domain, "uuid": crewID, "gidnumber": 70100}}
	w.server.With(func(p *kanidm.Person) { p.UID, p.Shell = 1943455188, "" })
	for i, p := range []kanidm.Person{
		{Name: "carol", DisplayName: "Carol: the third", Shell: "/bin/sh"},
		{Name: "dan", DisplayName: "Dan", Shell: "no-path-to-bash"},
		{Name: "fay", DisplayName: "Fay Bash", Shell: "bash"},
		{Name: "gus", DisplayName: "Gus Nologin", Shell: "/opt/homebrew/bin/nologin"},
		{Name: "hal", DisplayName: "Hal Elsewhere", Shell: "/usr/local/bin/bash"},
		{Name: "tom", DisplayName: "Tom Tcsh", Shell: "/usr/pkg/bin/tcsh"},
	} {
		p.UID, p.UUID, p.Groups = uint32(70003+i), uuid.New(), crew
		w.server.Add(&p)
	}
	must(t, w.WriteFile("/etc/kanidm/config", fmt.Sprintf("uri = %q\nca_path = %q\nconnect_timeout = 30\n", w.server.URL, kanidmCA), 0o644))
	must(t, w.WriteFile("/etc/kanidm/unixd", "version = '2'\n[kanidm]\npam_allowed_login_groups = [\"crew\"]\n", 0o644))
	script(t, r, "rm -f /bin/tcsh /usr/bin/tcsh /usr/local/bin/tcsh /usr/local/bin/bash; sallyport migrate kanidm-unixd")
	must(t, w.StartDaemon(t.Context()))
	at := func(line string) string { return strings.ReplaceAll(line, "@", "@"+kanidm.Domain) + "\n" }
	for _, c := range []struct{ line, want string }{
		{"getent passwd bob", "bob@:x:1943455188:1943455188:Bob B.:/home/bob@:/bin/bash"},
		{"getent passwd carol@", "carol@:x:70003:70003:Carol  the third:/home/carol@:/bin/sh"},
		{"getent passwd dan@", "dan@:x:70004:70004:Dan:/home/dan@:/usr/sbin/nologin"}, // unixd: /bin/bash
		{"getent passwd fay@", "fay@:x:70005:70005:Fay Bash:/home/fay@:/bin/bash"},
		{"getent passwd gus@", "gus@:x:70006:70006:Gus Nologin:/home/gus@:/usr/sbin/nologin"}, // unixd: /bin/bash
		{"getent passwd hal@", "hal@:x:70007:70007:Hal Elsewhere:/home/hal@:/bin/bash"},
		{"getent passwd tom@", "tom@:x:70008:70008:Tom Tcsh:/home/tom@:/bin/bash"},
		{"getent group crew | cut -d: -f1-3", "crew@:x:70100"},
		{"getent group fay", "fay@:x:70005:fay@"},
		{"id hal@", "uid=70007(hal@) gid=70007(hal@) groups=70007(hal@),70100(crew@)"},
		{"getent passwd nobodyhere@ || echo", ""},
	} {
		if out := script(t, r, strings.TrimSpace(at(c.line))); out != at(c.want) {
			t.Errorf("%s says %q, want %q", c.line, out, at(c.want))
		}
	}
}
