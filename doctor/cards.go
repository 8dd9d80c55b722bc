package doctor

import (
	"os"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// cardRule lets the daemon's user use pcscd, where that asks polkit.
const cardRule = "/usr/share/polkit-1/rules.d/20-sallyport.rules"

// judgeCards looks at pcscd as the daemon sees it. A machine needs none.
func (h *Host) judgeCards(s *report.CardService) []report.Finding {
	switch {
	case s == nil:
		return nil
	case s.Fault == identity.CardNoService.String():
		return []report.Finding{finding(report.Note, "install and start pcscd, or say so: [cards] enabled = false",
			"no smartcard can be used: the card service does not answer")}
	case s.Fault == identity.CardNotAllowed.String():
		mend := "see who may use /run/pcscd/pcscd.comm, and what rules polkit has beside " + cardRule
		if _, err := os.Stat(h.path(cardRule)); err != nil {
			mend = "install the package again: " + cardRule + " is missing"
		}
		return []report.Finding{finding(report.Warning, mend, "no smartcard can be used: pcscd refuses the user sallyport")}
	case s.Problem != "":
		return []report.Finding{finding(report.Warning, "look at the log of pcscd: journalctl -u pcscd", "no smartcard can be used: %s", s.Problem)}
	case len(s.Readers) == 0:
		return []report.Finding{ok("the card service answers; no reader is connected")}
	default:
		return []report.Finding{ok("the card service answers; readers: %s", strings.Join(s.Readers, ", "))}
	}
}
