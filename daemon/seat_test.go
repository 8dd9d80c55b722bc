package daemon

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// seats has alice in front in her session "3" and nowhere else.
type seats struct {
	err  error
	away bool
}

func (s seats) Session(id string, uid uint32) (bool, error) {
	return !s.away && id == "3" && uid == aliceUID, s.err
}

func (s seats) User(uid uint32) (bool, error) { return !s.away && uid == aliceUID, s.err }

// sitting has only these sit at the machine.
func (h *testMachine) sitting(who seats) {
	h.t.Helper()
	h.stop()
	h.seats = who
	h.start()
	h.online()
}

func TestACardIsEnrolledAtTheReaderAlone(t *testing.T) {
	h, m := makes(t)
	h.sitting(seats{})
	for session, want := range map[string]bool{"3": true, "4": false} {
		_, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret", LogindSession: session})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "only where its owner sits") {
			t.Errorf("in session %s: %v", session, err)
		}
	}
	if m.prepared != 0 {
		t.Error("a card was looked for")
	}
}

// Promise attack-person-handle, card-last-try.
func TestACardOfAnotherAccountIsNotEnrolled(t *testing.T) {
	h, m := makes(t)
	h.srv.set(t, token("bob", 1900000101), carded(m.fresh))
	h.wait("bob has it", func() bool { _, has := h.d.Directory().Named("bob").Epoch(identity.PIV); return has })
	made, err := h.ready(aliceUID, h.begins())
	if err != nil || made.Card != nil || made.Fault != "another's card" {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestACardGivenUpByCardIsUsedAtTheReaderAlone(t *testing.T) {
	held := validCard(t)
	h, m := makes(t, held)
	m.insert(held)
	h.sitting(seats{away: true})
	_, err := h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{PIN: cardPIN, LogindSession: "3"}, Kind: "piv"})
	if err == nil || !strings.Contains(err.Error(), "only where its owner sits") || h.holds() != 1 {
		t.Errorf("%v, %d cards", err, h.holds())
	}
}
