package cards

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestEachCardFaultHasWordsOfItsOwnAndSaysWhatToDo(t *testing.T) {
	seen := map[string]identity.CardFault{}
	for f := identity.CardUnknown; f <= identity.CardServiceUnproved; f++ {
		detail, mend := Words(fmt.Errorf("sign: %w", &identity.CardError{Fault: f, Retries: -1, Err: errors.New("SCARD_E_NASTY")}))
		if !strings.HasSuffix(detail, ".") || !strings.HasSuffix(mend, ".") || strings.Contains(detail+mend, "NASTY") {
			t.Errorf("%v: %q, %q", f, detail, mend)
		}
		if other, ok := seen[detail]; ok {
			t.Errorf("%v is told as %v is", f, other)
		}
		seen[detail] = f
	}
}

func TestEachReasonWhyACardCannotAgreeHasWordsOfItsOwn(t *testing.T) {
	seen := map[string]bool{"This card, or its key, cannot do what is asked.": true}
	for _, why := range []error{
		identity.ErrNoAgreementKey, identity.ErrAgreementOther, identity.ErrAgreementKind, identity.ErrAgreementUnknown, identity.ErrAgreementTaken, identity.ErrManagementKey,
	} {
		detail, mend := Words(fmt.Errorf("agree: %w", &identity.CardError{Fault: identity.CardUnsupported, Retries: -1, Err: fmt.Errorf("%w: SCARD_E_NASTY", why)}))
		if seen[detail] || !strings.HasSuffix(detail, ".") || !strings.HasSuffix(mend, ".") || strings.Contains(detail+mend, "NASTY") {
			t.Errorf("%v: %q, %q", why, detail, mend)
		}
		seen[detail] = true
	}
}

func TestAWrongPINSaysHowManyTriesAreLeft(t *testing.T) {
	for retries, want := range map[int]string{-1: "The PIN is wrong.", 1: "The PIN is wrong. One try is left, which Sallyport does not use up.", 2: "The PIN is wrong. 2 tries left."} {
		if got, _ := Words(&identity.CardError{Fault: identity.CardWrongPIN, Retries: retries}); got != want {
			t.Errorf("%d: %q", retries, got)
		}
	}
}

func TestAnErrorThatIsNoCardsIsToldAsUnknown(t *testing.T) {
	want, _ := Words(&identity.CardError{})
	if got, _ := Words(errors.New("something")); got != want {
		t.Errorf("%q", got)
	}
}
