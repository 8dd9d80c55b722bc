package realm

import (
	"errors"

	"connectrpc.com/connect"
)

// RefusalError is why something that was asked for is not done, for the person.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// Told has people read why they are refused, in a call whose refusals are for them. Not all
// are: what a machine is told of an account that cannot be described is [Realm.Fault]'s.
func Told(err error) error {
	if no := RefusalError(""); errors.As(err, &no) {
		return connect.NewError(connect.CodeFailedPrecondition, no)
	}
	return err
}

// ErrInput says that what was asked for can never be.
var ErrInput = errors.New("not accepted")
