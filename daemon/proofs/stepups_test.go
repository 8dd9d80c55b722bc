package proofs

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// desk is one login session.
var desk = identity.LoginSession{Audit: 7, Terminal: 34816, Leader: 1234, Started: 99999}

func TestAProofThatIsVoidedStaysSo(t *testing.T) {
	var p StepUps
	at := Place{Account: uuid.MustParse("11111111-1111-4111-8111-111111111111"), UID: 1, Asker: "alice", Session: desk}
	w := p.Begin(at)
	p.Forget(at.Account, nil)
	p.Forget(at.Account, func(Place) bool { return false })
	p.Forget(uuid.MustParse("22222222-2222-4222-8222-222222222222"), nil)
	p.Keep(w, Proof{At: 1})
	if v, found := p.At(at); found {
		t.Errorf("a proof that was voided while it was made is kept: %+v", v)
	}
}

func TestTwoProofsInTheMakingAreBothVoided(t *testing.T) {
	var p StepUps
	at := Place{Account: uuid.MustParse("11111111-1111-4111-8111-111111111111"), UID: 1, Asker: "alice", Session: desk}
	other := at
	other.Asker = "bob"
	first, second := p.Begin(at), p.Begin(other)
	p.Forget(at.Account, nil)
	p.Keep(first, Proof{At: 1})
	p.Keep(second, Proof{At: 1})
	if list := p.Of(at.Account, 0); len(list) != 0 {
		t.Errorf("kept: %v", list)
	}
	p.Keep(p.Begin(at), Proof{At: 5})
	p.Keep(p.Begin(other), Proof{At: 7})
	if list := p.Of(at.Account, 6); len(list) != 1 || list[0].Asker != "bob" {
		t.Errorf("of those since 6: %v", list)
	}
}

func TestProofsAreBounded(t *testing.T) {
	var p StepUps
	id := uuid.New()
	for i := range uint32(10 * maxProofs) {
		p.Keep(p.Begin(Place{Account: id, Session: identity.LoginSession{Leader: i}}), Proof{At: time.Duration(i)})
	}
	list := p.Of(id, 0)
	if len(list) != maxProofs || list[0].Session.Leader != 10*maxProofs-1 || list[maxProofs-1].Session.Leader != 9*maxProofs {
		t.Errorf("%d are kept", len(list))
	}
}

func TestWhatIsDoneIsNoLongerUnderWay(t *testing.T) {
	var s Store
	w := s.StepUps.Begin(Place{Account: uuid.New()})
	s.ForgetAll()
	s.StepUps.Keep(w, Proof{At: 1})
	s.StepUps.Done(w)
	if len(s.StepUps.kept) != 0 || len(s.StepUps.pending) != 0 {
		t.Errorf("kept %v, under way %v", s.StepUps.kept, s.StepUps.pending)
	}
}
