package verify

import (
	"bytes"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Verdict is what comes of a code that was heard. Nothing but [Confirmed] is a yes.
type Verdict string

// The verdicts, by the first row that fits.
//
//	state of whoever is heard     what is typed                 verdict
//	locked                        anything                      locked
//	any                           no 8 digits                   no code; not counted
//	any                           the right code, heard before  used; not counted
//	any                           the right code                confirmed; wrong ones are forgotten
//	any                           anything else                 wrong; counted, five lock
const (
	Confirmed Verdict = "confirmed"
	Wrong     Verdict = "wrong"
	Used      Verdict = "used"
	NoCode    Verdict = "no code"
	Locked    Verdict = "locked"
)

// Brake is how wrong codes slow down whoever says them. Twelve guesses an hour, each right
// once in 33 million, are one success in three centuries.
func Brake() identity.Brake {
	return identity.Brake{From: 5, First: 5 * time.Minute, Most: time.Hour, Quiet: 24 * time.Hour}
}

// Record is what the listener remembers of the one who is heard.
type Record struct {
	// Confirmed is the key that was confirmed last, and when; empty before the first time.
	Confirmed   []byte
	ConfirmedAt time.Time
	// Heard is the newest step whose code was heard, and Wrong counts wrong ones.
	Heard int64
	Wrong identity.Tally
}

// Judge tells what comes of a code that is heard from the holder of public, and what to
// remember then. The caller stores that before it tells the verdict.
func (c *Call) Judge(typed string, public []byte, now time.Time, r Record) (Verdict, Record) {
	if r.Wrong.Locked(now) {
		return Locked, r
	}
	step, right, err := c.Hear(typed, now)
	switch {
	case err != nil:
		return NoCode, r
	case right && step <= r.Heard:
		return Used, r
	case right:
		return Confirmed, Record{Confirmed: public, ConfirmedAt: now, Heard: step}
	}
	if r.Wrong = Brake().Fail(r.Wrong, now); r.Wrong.Locked(now) {
		return Locked, r
	}
	return Wrong, r
}

// Standing is what earlier calls tell of a key that is shown now.
type Standing string

// The standings.
const (
	First   Standing = "new"     // no key of theirs was confirmed
	Same    Standing = "same"    // this one was
	Another Standing = "changed" // another one was
)

// Of tells how a key stands that is shown now.
func (r *Record) Of(public []byte) Standing {
	switch {
	case len(r.Confirmed) == 0:
		return First
	case bytes.Equal(r.Confirmed, public):
		return Same
	default:
		return Another
	}
}
