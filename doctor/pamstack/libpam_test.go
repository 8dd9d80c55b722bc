package pamstack_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/doctor/pamstack"
)

// controls are what lines of a stack are made of.
func controls() []string {
	return []string{
		"required", "requisite", "sufficient", "optional", "[success=1 default=ignore]", "[success=2 default=bad]", "[success=ok ignore=ignore default=die]",
		"[success=done default=ignore]", "[default=reset]", "[success=ok default=2]", "[user_unknown=ok default=1]", "[success=bad default=ok]", "[success=3 new_authtok_reqd=ok default=die]",
	}
}

// randomStack is a file of lines of pam_debug.so, which answers as it is told.
func randomStack(r *rand.Rand, inner string) string {
	results := []string{"success", "success", "auth_err", "user_unknown", "perm_denied", "ignore", "authinfo_unavail", "new_authtok_reqd"}
	var b strings.Builder
	for range 1 + r.IntN(6) {
		if inner != "" && r.IntN(5) == 0 {
			fmt.Fprintf(&b, "auth %s %s\n", []string{"include", "substack"}[r.IntN(2)], inner)
			continue
		}
		fmt.Fprintf(&b, "auth %s pam_debug.so auth=%s\n", controls()[r.IntN(len(controls()))], results[r.IntN(len(results))])
	}
	return b.String()
}

// Promise pam-walk.
func TestAWalkGoesWhereLibpamGoes(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2)) // the same stacks each time
	l := pamstack.Loader{Dirs: []string{dir}, Read: os.ReadFile}
	for n := range 3000 {
		texts := map[string]string{"inner": randomStack(r, ""), "other": "auth required pam_deny.so\n"}
		texts["svc"] = randomStack(r, filepath.Join(dir, "inner"))
		for name, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var heard []string
		tx, err := pam.StartConfDir("svc", "root", pam.ConversationFunc(func(_ pam.Style, msg string) (string, error) {
			heard = append(heard, msg)
			return "", nil
		}), dir)
		if err != nil {
			t.Fatal(err)
		}
		got := tx.Authenticate(0)
		if err := tx.End(); err != nil {
			t.Fatal(err)
		}
		s, err := l.Load("svc")
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		trace := pamstack.Walk(s.Stacks[pamstack.Auth], func(line *pamstack.Line) string {
			result := strings.TrimPrefix(line.Args[0], "auth=")
			asked = append(asked, "auth="+result)
			return result
		})
		if (got == nil) != (trace.Result == pamstack.Success) || strings.Join(heard, " ") != strings.Join(asked, " ") {
			t.Fatalf("stack %d: libpam %v by %v, the walk %s by %v\n%s── inner ──\n%s", n, got, heard, trace.Result, asked, texts["svc"], texts["inner"])
		}
	}
}
