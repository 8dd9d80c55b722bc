package report

import "time"

// Of the realm's identity service (docs/identity-service.md). A registration and a login by
// password are an exchange of OPAQUE between who types the password and the server: the daemon carries
// its messages, and learns of no password.

// IdentityMessage is one message of such an exchange, from the person's end.
type IdentityMessage struct {
	// Message is OPAQUE's; none ends the exchange.
	Message []byte `json:"message,omitempty"`
	// Record is what the server is to store. It goes with the second message of a
	// registration.
	Record []byte `json:"record,omitempty"`
}

// IdentityBegin begins an exchange.
type IdentityBegin struct {
	IdentityMessage
	Device string `json:"device"`
	// Register: not a login. It takes a code that an administrator gave.
	Register bool   `json:"register,omitempty"`
	Code     string `json:"code,omitempty"`
}

// IdentityNext goes on with the exchange that the handle names.
type IdentityNext struct {
	IdentityMessage
	Handle string `json:"handle"`
}

// IdentityWallet is a login by one message that a wallet has signed (package wallet).
type IdentityWallet struct {
	Device  string `json:"device"`
	Address string `json:"address"`
	// Signed is the text of the message, and r, s and v behind it.
	Signed []byte `json:"signed"`
}

// IdentityStep is the server's next message, or at the end of the exchange a token.
type IdentityStep struct {
	Handle  string `json:"handle,omitempty"`
	Message []byte `json:"message,omitempty"`
	Token   []byte `json:"token,omitempty"`
}

// IdentityToken is a token that is asked about or used. Name is whose it is, in
// [VerbIdentityVerify] alone: else it is the caller's own.
type IdentityToken struct {
	Name   string `json:"name,omitempty"`
	Device string `json:"device"`
	Token  []byte `json:"token"`
	// Ends is the device whose token ends, of [VerbIdentityRevoke]; "": Device.
	Ends string `json:"ends,omitempty"`
}

// IdentityVerified answers [VerbIdentityVerify].
type IdentityVerified struct {
	Valid bool `json:"valid"`
}

// IdentityDevice is a device with a token.
type IdentityDevice struct {
	Device   string    `json:"device"`
	AuthType string    `json:"auth_type"`
	Created  time.Time `json:"created"`
	Used     time.Time `json:"used"`
	Expires  time.Time `json:"expires"`
}
