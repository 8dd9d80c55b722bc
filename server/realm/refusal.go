package realm

import "errors"

// refusalError is why something that was asked for is not done, for the person.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// errInput says that what was asked for can never be.
var ErrInput = errors.New("not accepted")
