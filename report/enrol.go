package report

import "time"

// EnrolArgs prove who asks: by password, and code where the account has a
// generator, or by PIN with a card that it has.
type EnrolArgs struct {
	Password string `json:"password,omitempty"`
	// Code is of the generator that the account has now, or a backup code.
	Code string `json:"code,omitempty"`
	PIN  string `json:"pin,omitempty"`
	// LogindSession is logind's session of who asks, e.g. "3"; "": none.
	LogindSession string `json:"logind_session,omitempty"`
}

// RemoveArgs say what is to be taken away: "totp", "piv" or "backup-code".
type RemoveArgs struct {
	EnrolArgs
	Kind string `json:"kind"`
	// Card is, with piv, the fingerprint of the certificate: SHA-256, hexadecimal.
	Card string `json:"card,omitempty"`
}

// Enrolment answers the verbs that begin one.
type Enrolment struct {
	// NeedsCode: the account has a generator, and nothing was tried without its code.
	NeedsCode bool `json:"needs_code,omitempty"`
	// Handle is for the next request, until Until.
	Handle string    `json:"handle,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// URL is the new secret as an otpauth:// address.
	URL string `json:"otpauth_url,omitempty"`
	// Done: there is nothing to confirm.
	Done bool `json:"done,omitempty"`
	// BackupCodes are new ones, shown this once.
	BackupCodes []string `json:"backup_codes,omitempty"`
}

// CardArgs say what to do with the card that is to be enrolled.
type CardArgs struct {
	Handle string `json:"handle"`
	PIN    string `json:"pin"`
	Reader string `json:"reader,omitempty"`
	// Generate makes a key of kind Key and a certificate, Force over one that is there.
	Generate bool   `json:"generate,omitempty"`
	Force    bool   `json:"force,omitempty"`
	Key      string `json:"key,omitempty"`
	Touch    bool   `json:"touch,omitempty"`
	// Label is the certificate's common name; "": account@realm.
	Label     string `json:"label,omitempty"`
	ValidDays int    `json:"valid_days,omitempty"`
	// ManagementKey is hexadecimal; "": the factory's, or the one behind the PIN.
	ManagementKey string `json:"management_key,omitempty"`
}

// CardMade answers VerbEnrolCard. With a Problem nothing was made, and the handle
// leads on all the same.
type CardMade struct {
	// Touch: the card waits to be touched, and more comes.
	Touch bool `json:"touch,omitempty"`
	// Problem is why not, for people, and Fault its word. Taken: a certificate is
	// there already. NeedsManagementKey: it is not the one that was tried.
	Problem            string `json:"problem,omitempty"`
	Fault              string `json:"fault,omitempty"`
	Taken              bool   `json:"taken,omitempty"`
	NeedsManagementKey bool   `json:"needs_management_key,omitempty"`

	Card *Card `json:"card,omitempty"`
	// Attested: the card shows that the key was made in it.
	Attested bool `json:"attested,omitempty"`
	// FactoryKey: the management key is the one that everybody knows.
	FactoryKey bool `json:"factory_key,omitempty"`
}

// ConfirmArgs show that someone has what is new.
type ConfirmArgs struct {
	Handle string `json:"handle"`
	Code   string `json:"code,omitempty"`
	PIN    string `json:"pin,omitempty"`
}

// Enrolled answers the verbs that confirm. When it is not done, another code may be
// given.
type Enrolled struct {
	// Touch: the card waits to be touched, and more comes.
	Touch   bool   `json:"touch,omitempty"`
	Done    bool   `json:"done"`
	Message string `json:"message,omitempty"`
}
