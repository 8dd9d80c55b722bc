package identity

import (
	"fmt"
	"time"
)

// CardFault is why a card could not be used.
type CardFault uint8

// The faults. Each has its own words for people, in package daemon.
const (
	CardUnknown         CardFault = iota // none of the others; Err says more
	CardNoService                        // pcscd does not answer
	CardNotAllowed                       // pcscd's policy refuses the daemon's user
	CardNoReader                         // no reader is connected
	CardNone                             // no card in any reader
	CardNotPIV                           // what is in the reader is no PIV card
	CardWrong                            // a card, but none of this account's
	CardRevoked                          // a card that was this account's once
	CardExpired                          // its certificate is not valid any more
	CardNotYet                           // its certificate is not valid yet
	CardRemoved                          // taken out while it was in use
	CardBusy                             // another program holds it
	CardWrongPIN                         // Retries tells how many tries are left
	CardBlocked                          // no tries are left
	CardUntouched                        // nobody touched it in time
	CardUnsupported                      // it, or its key, cannot do what is asked
	CardLastTry                          // one try is left, and it is not used up here
	CardServiceUnproved                  // server and card service did not prove themselves to each other
)

// String is the word that logs and JSON use.
func (f CardFault) String() string {
	words := [...]string{
		"unknown", "no card service", "not allowed", "no reader", "no card", "no PIV card", "wrong card", "revoked", "expired",
		"not yet valid", "removed", "busy", "wrong PIN", "blocked", "untouched", "unsupported", "last try", "unproved",
	}
	if int(f) < len(words) {
		return words[f]
	}
	return fmt.Sprintf("fault %d", uint8(f))
}

// CardError says why a card could not be used. It wraps what the card or pcscd
// said, which is for logs.
type CardError struct {
	Fault CardFault
	// Retries is how many wrong PINs the card still bears; -1: it does not say.
	Retries int
	Err     error
}

func (e *CardError) Error() string {
	if e.Err == nil {
		return "card: " + e.Fault.String()
	}
	return "card: " + e.Fault.String() + ": " + e.Err.Error()
}

func (e *CardError) Unwrap() error { return e.Err }

// CardsWanted are the cards of one account, by the fingerprints of their
// certificates: those that count, and those that did once.
type CardsWanted struct {
	Live, Revoked [][]byte
	// Agreement is the public half of the key that a live one must have in slot 9D (see
	// [CardAgreement]); nil: any, or none.
	Agreement []byte
}

// CardSeen is a card in a reader that is one of those wanted.
type CardSeen struct {
	Fingerprint []byte
	Reader      string // its name, for people
	// Retries is how many wrong PINs the card still bears; -1: it does not say.
	Retries  int
	NotAfter time.Time
	// Proved names the mutual authentication of card service and server that came
	// before, where one is demanded; empty otherwise.
	Proved string
}
