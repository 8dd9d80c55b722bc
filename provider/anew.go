package provider

// AnewError says that the server at which an exchange was cannot go on with it, and that
// another one may answer: the attempt is begun anew. It is an [ErrOffline] to whoever does
// not begin anew, and no sign that the realm is out of reach. Nobody was refused.
type AnewError struct {
	// Sent: the server may have got what was answered. Then a one-time code may be used up.
	Sent bool
	// Err must be set.
	Err error
}

// Error implements error.
func (e *AnewError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *AnewError) Unwrap() error { return e.Err }

// Is makes it an ErrOffline.
func (e *AnewError) Is(target error) bool { return target == ErrOffline }
