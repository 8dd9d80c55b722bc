package doctor //nolint:testpackage // the parsers are doctor's own

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/report"
)

// FuzzNameServices: doctor calls no nsswitch.conf sound in which glibc would not
// ask "files" and then, for a name that is not there, us.
func FuzzNameServices(f *testing.F) {
	for _, s := range []string{
		"passwd: files sallyport systemd\ngroup: files sallyport\n", "passwd: sallyport files\n", "passwd: compat sallyport # files\n",
		"passwd: files [NOTFOUND=return] sallyport\n", "passwd: files [success=return notfound=continue] sallyport\n", "passwd : files", "", ":\n:", "passwd:#",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for db, list := range services(strings.NewReader(text)) {
			if judgeServices(db, list, true).Severity != report.OK {
				continue
			}
			before := list[:slices.Index(list, "sallyport")]
			if !slices.Contains(before, "files") && !slices.Contains(before, "compat") {
				t.Errorf("sound without local names first: %q", list)
			}
			if slices.ContainsFunc(before, func(s string) bool { return strings.EqualFold(s, "[NOTFOUND=return]") }) {
				t.Errorf("sound, and we are never asked: %q", list)
			}
		}
	})
}
