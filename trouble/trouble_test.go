package trouble_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

var word = regexp.MustCompile(`^[a-z0-9-]+$`)

// Promise troubles-page.
func TestEveryCauseHasOneRowAndAMend(t *testing.T) {
	seen := map[trouble.ID]bool{}
	for _, s := range trouble.Table() {
		for _, c := range s.Causes {
			switch {
			case seen[c.ID] || !word.MatchString(string(c.ID)):
				t.Errorf("%q is there twice, or no name", c.ID)
			case c.What == "" || c.Mend == "" && c.Severity != report.Note:
				t.Errorf("%s has no words, or no mend: %+v", c.ID, c)
			case strings.Contains(c.Mend, "run doctor as root"), strings.Contains(c.Mend, "dministrator") && trouble.IsCommand(c.Mend):
				t.Errorf("%s sends people away: %q", c.ID, c.Mend)
			}
			seen[c.ID] = true
		}
	}
}

// Promise troubles-page.
func TestAMendThatIsACommandCanBeTyped(t *testing.T) {
	place := regexp.MustCompile(`\{[A-Z]+\}`)
	for _, s := range trouble.Table() {
		for _, c := range s.Causes {
			mend, _ := strings.CutPrefix(c.Mend, trouble.OnServer)
			if !trouble.IsCommand(mend) {
				continue // a sentence
			}
			typed := place.ReplaceAllString(mend, "1")
			if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", typed).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v %s", c.ID, typed, err, out)
			}
			if strings.Contains(typed, ", ") || strings.HasSuffix(typed, ".") {
				t.Errorf("%s: words around a command: %q", c.ID, typed)
			}
		}
	}
}

func TestAFindingSaysWhatItsRowSays(t *testing.T) {
	f := trouble.ConfigUnreadable.Finding("FILE", "/x", "MODE", "0600", "OWNER", "root")
	if f.Cause != "config-unreadable" || f.Severity != report.Problem || strings.Contains(f.Detail+f.Mend, "{") || !strings.HasPrefix(f.Mend, "sudo chmod 0644 /x && ") {
		t.Errorf("%+v", f)
	}
	if f := trouble.ID("no such").Finding(); f.Severity != report.Problem {
		t.Errorf("a cause without a row is %+v", f)
	}
}
