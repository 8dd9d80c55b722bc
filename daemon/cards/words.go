package cards

import (
	"errors"
	"fmt"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Words says to a person why a card could not be used, and what to do about it.
// What the card or pcscd said itself is for logs, and is not in it.
func Words(err error) (detail, mend string) {
	e := &identity.CardError{Retries: -1}
	if !errors.As(err, &e) {
		e = &identity.CardError{Retries: -1}
	}
	var r RefusedError
	if errors.As(err, &r) {
		return r.Detail, r.Mend
	}
	if detail, mend = agreementWords(e.Err); detail != "" {
		return detail, mend
	}
	switch e.Fault {
	case identity.CardWrongPIN:
		return wrongPIN(e.Retries), "Try again, with the PIN of the card."
	case identity.CardLastTry:
		return "One PIN try is left, which Sallyport does not use up.", "Give it the right PIN first: yubico-piv-tool -a verify-pin."
	case identity.CardBlocked:
		return "The card is blocked: its PIN was wrong too often.", "Unblock it (ykman piv access unblock-pin). Or ask your administrator."
	case identity.CardNoService:
		return "The card service does not answer.", "Install and start pcscd, or log in in another way."
	case identity.CardNotAllowed:
		return "The card service does not let Sallyport use the reader.", "Ask your administrator to look at \"sallyport doctor\"."
	case identity.CardNoReader:
		return "No card reader is connected.", "Connect your reader, or the key that is both."
	case identity.CardNone:
		return "No card is in the reader.", "Insert your card."
	case identity.CardNotPIV:
		return "The card is no PIV card, or has no certificate.", "Insert your own card, or run \"sallyport enrol piv\"."
	case identity.CardWrong:
		return "The card in the reader is not one of this account.", "Insert your own card."
	case identity.CardServiceUnproved:
		return unprovedWords(e.Err)
	default:
		return cardUseWords(e.Fault)
	}
}

// cardUseWords has the faults of a card that is the right one.
func cardUseWords(f identity.CardFault) (detail, mend string) {
	switch f {
	case identity.CardRevoked:
		return "This card was taken from the account.", "Use your present card, or ask your administrator."
	case identity.CardExpired:
		return "The card's certificate has expired.", "Enrol it anew (sallyport enrol piv --generate). Or ask your administrator."
	case identity.CardNotYet:
		return "The card's certificate is not valid yet.", "Check this machine's clock, or wait until it is valid."
	case identity.CardRemoved:
		return "The card was removed.", "Insert it and leave it in until you are done."
	case identity.CardBusy:
		return "Another program is using the card.", "Close it (a browser, gpg, another login) and try again."
	case identity.CardUntouched:
		return "The card was not touched in time.", "Try again, and touch it when it blinks."
	case identity.CardUnsupported:
		return "This card, or its key, cannot do what is asked.", "Use a key of RSA 2048, P-256, P-384 or Ed25519 in slot 9A."
	default:
		return "The card could not be used.", "Insert it again and try. The log of sallyportd says more."
	}
}

// agreementWords has what keeps a card from agreeing on a secret; "" for anything else.
func agreementWords(err error) (detail, mend string) {
	const anew = "Or make a key anew: sallyport verify --set-up."
	switch {
	case errors.Is(err, identity.ErrNoAgreementKey):
		return "The card has no key in slot 9D.", "Insert the card that has your key. " + anew
	case errors.Is(err, identity.ErrAgreementOther):
		return "You are verified by another key than this card's in slot 9D.", "Insert the card that has it. " + anew
	case errors.Is(err, identity.ErrAgreementKind):
		return "The card has a key in slot 9D that is not of P-256. It is left alone.", "Use another card, or a key of this machine (--set-up)."
	case errors.Is(err, identity.ErrAgreementUnknown):
		return "The card does not say what is in slot 9D: no key is made.", "Make one of P-256, with a certificate, by the card's tool."
	case errors.Is(err, identity.ErrAgreementTaken):
		return "The card has a certificate in slot 9D, and no key. It is left alone.", "Delete it, if nothing needs it, or use another card."
	case errors.Is(err, identity.ErrManagementKey):
		return "The card's management key is its owner's: no key is made.", "Make one of P-256 in slot 9D by the card's own tool (ykman)."
	default:
		return "", ""
	}
}

func unprovedWords(err error) (detail, mend string) {
	if errors.Is(err, provider.ErrOffline) {
		return "No card is used here without the server.", "Log in in another way, or connect to the network."
	}
	return "Server and card service are not proved to each other. No PIN is asked for.",
		"Log in in another way. Your administrator finds the reason with \"sallyport doctor\"."
}

func wrongPIN(retries int) string {
	switch {
	case retries < 0:
		return "The PIN is wrong."
	case retries == 1:
		return "The PIN is wrong. One try is left, which Sallyport does not use up."
	default:
		return fmt.Sprintf("The PIN is wrong. %d tries left.", retries)
	}
}

// Text is both in one line.
func Text(err error) string {
	detail, mend := Words(err)
	return checks.Ruling{Detail: detail, Mend: mend}.Text()
}

// RefusedError is a ruling where a card's fault is due.
type RefusedError struct{ checks.Ruling }

func (r RefusedError) Error() string { return r.Detail }
