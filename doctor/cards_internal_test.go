package doctor

import (
	"testing"

	"github.com/sallyport-auth/sallyport/report"
)

func TestACardServiceThatDoesNotServeIsSaidWithItsMend(t *testing.T) {
	h := &Host{Root: t.TempDir()}
	for fault, want := range map[string]report.Severity{"no card service": report.Note, "not allowed": report.Warning, "unknown": report.Warning, "": report.OK} {
		s := &report.CardService{Fault: fault}
		if fault != "" {
			s.Problem = "It does not work."
		}
		found := h.judgeCards(s)
		if len(found) != 1 || found[0].Severity != want || fault != "" && found[0].Mend == "" {
			t.Errorf("%q: %+v", fault, found)
		}
	}
	if found := h.judgeCards(nil); found != nil {
		t.Errorf("%+v", found)
	}
}
