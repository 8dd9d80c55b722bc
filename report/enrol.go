package report

import "time"

// EnrolArgs prove who asks. Code is of the generator that the account has now; an
// account without one leaves it empty.
type EnrolArgs struct {
	Password string `json:"password"`
	Code     string `json:"code,omitempty"`
}

// Enrolment answers VerbEnrolTOTP.
type Enrolment struct {
	// NeedsCode: the account has a generator, and nothing was tried without its code.
	NeedsCode bool `json:"needs_code,omitempty"`
	// Handle is for VerbEnrolConfirm, until Until.
	Handle string    `json:"handle,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// URL is the new secret as an otpauth:// address.
	URL string `json:"otpauth_url,omitempty"`
}

// ConfirmArgs show that someone has the new secret.
type ConfirmArgs struct {
	Handle string `json:"handle"`
	Code   string `json:"code"`
}

// Enrolled answers VerbEnrolConfirm. When it is not done, another code may be given.
type Enrolled struct {
	Done    bool   `json:"done"`
	Message string `json:"message,omitempty"`
}
