package snapshot

import "errors"

// ErrFormat says that a file is not a whole snapshot of this version and byte
// order.
var ErrFormat = errors.New("not a sound snapshot")
