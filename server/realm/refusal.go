package realm

import "errors"

// RefusalError is why something that was asked for is not done, for the person.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// ErrInput says that what was asked for can never be.
var ErrInput = errors.New("not accepted")
