package server

import "errors"

// refusal is why something that was asked for is not done, for the person.
type refusal string

func (r refusal) Error() string { return string(r) }

// errInput says that what was asked for can never be.
var errInput = errors.New("not accepted")
