package report

import "time"

// CardService is the state of pcscd, as the daemon sees it.
type CardService struct {
	// Problem is why no card can be used, and Fault its word; "": the service answers.
	Problem string   `json:"problem,omitempty"`
	Fault   string   `json:"fault,omitempty"`
	Readers []string `json:"readers,omitempty"`
}

// Cards answers VerbCards.
type Cards struct {
	Readers []Reader `json:"readers"`
}

// Reader is one, with the cards that a login could use in it.
type Reader struct {
	Name string `json:"name"`
	// Problem is why there is none, for people, and Fault its word.
	Problem string `json:"problem,omitempty"`
	Fault   string `json:"fault,omitempty"`
	// Retries is how many wrong PINs the card still bears; absent: it does not say.
	Retries *int   `json:"retries,omitempty"`
	Cards   []Card `json:"cards,omitempty"`
	// VerifyKey is the fingerprint of the key in slot 9D by which its owner can be verified; "": there
	// is none.
	VerifyKey string `json:"verify_key,omitempty"`
}

// Card is one certificate in a card.
type Card struct {
	Reader string `json:"reader,omitempty"`
	// Fingerprint is the SHA-256 of the certificate, hexadecimal.
	Fingerprint string    `json:"fingerprint"`
	Subject     string    `json:"subject"`
	Key         string    `json:"key"`
	NotAfter    time.Time `json:"not_after"`
	// Yours: it is a card of the account that asks. Revoked: it was once.
	Yours   bool `json:"yours,omitempty"`
	Revoked bool `json:"revoked,omitempty"`
}
