package provider

// DoubtError is an [ErrUntrusted] that knows more than that: what does not fit, and what
// to do. It calls nothing a forgery that may as well be of another version.
type DoubtError struct {
	// What is a sentence for people, Mend what to do now.
	What, Mend string
	// Err is the cause; it may be nil.
	Err error
}

// Error implements error.
func (d *DoubtError) Error() string {
	if d.Err == nil {
		return d.What
	}
	return d.What + " (" + d.Err.Error() + ")"
}

// Unwrap implements errors.Unwrap.
func (d *DoubtError) Unwrap() []error {
	if d.Err == nil {
		return []error{ErrUntrusted}
	}
	return []error{ErrUntrusted, d.Err}
}
