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
	switch e.Fault {
	case identity.CardWrongPIN:
		return wrongPIN(e.Retries), "Try again, with the PIN of the card."
	case identity.CardLastTry:
		return "One try is left for the PIN of this card, and Sallyport does not use it up.", "Give the card its right PIN in another way first (for example with \"yubico-piv-tool -a verify-pin\"): then it has all its tries again."
	case identity.CardBlocked:
		return "The card is blocked: its PIN was wrong too often.", "Unblock it with its PUK (for example with \"ykman piv access unblock-pin\"), or ask your administrator."
	case identity.CardNoService:
		return "The card service does not answer.", "Install and start pcscd, or log in in another way."
	case identity.CardNotAllowed:
		return "The card service does not let Sallyport use the reader.", "Ask your administrator to look at \"sallyport doctor\": polkit's rule is missing or overruled."
	case identity.CardNoReader:
		return "No card reader is connected.", "Connect your reader, or the key that is both."
	case identity.CardNone:
		return "No card is in the reader.", "Insert your card."
	case identity.CardNotPIV:
		return "The card in the reader is no PIV card, or has no certificate.", "Insert your own card, or enrol this one with \"sallyport enrol piv\"."
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
		return "This card was taken from the account and is not accepted any more.", "Use your present card, or ask your administrator."
	case identity.CardExpired:
		return "The card's certificate has expired.", "Enrol it anew with \"sallyport enrol piv --generate\", or ask your administrator."
	case identity.CardNotYet:
		return "The card's certificate is not valid yet.", "Check this machine's clock, or wait until the certificate begins."
	case identity.CardRemoved:
		return "The card was removed.", "Insert it and leave it in until you are done."
	case identity.CardBusy:
		return "Another program is using the card.", "Close it (often a browser, gpg or another login) and try again."
	case identity.CardUntouched:
		return "The card was not touched in time.", "Try again, and touch it when it blinks."
	case identity.CardUnsupported:
		return "This card, or its key, cannot do what is asked.", "Use a key of RSA 2048, P-256, P-384 or Ed25519 in slot 9A."
	default:
		return "The card could not be used.", "Take it out, insert it again and try once more; the log of sallyportd says more."
	}
}

func unprovedWords(err error) (detail, mend string) {
	if errors.Is(err, provider.ErrOffline) {
		return "The server cannot be reached, and without it this machine uses no card.", "Log in in another way, or connect to the network."
	}
	return "The server and this machine's card service did not prove themselves to each other, so no PIN is asked for.",
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
