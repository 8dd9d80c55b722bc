package report

import (
	"time"

	"github.com/sallyport-auth/sallyport/identity/verify"
)

// VerifySetUp sets a key to make sure of others with, or removes it.
type VerifySetUp struct {
	ProofArgs
	Remove bool `json:"remove,omitempty"`
	// Partners of the realm are told of the key. Keep leaves the key that is there, and changes
	// that alone.
	Partners bool `json:"partners,omitempty"`
	Keep     bool `json:"keep,omitempty"`
	// OnCard takes the key in slot 9D of the card that proves who asks, or makes one there.
	OnCard bool `json:"on_card,omitempty"`
}

// VerifyWith names whom an account speaks with, as "name" or "name@realm". Again takes what is remembered: the call has
// begun already.
type VerifyWith struct {
	Name string `json:"with"`
	// About is what the call is about: both type the same.
	About string `json:"about,omitempty"`
	Again bool   `json:"again,omitempty"`
	// PIN is of the card that has the account's key, and LogindSession of who asks; see EnrolArgs.
	PIN           string `json:"pin,omitempty"`
	LogindSession string `json:"logind_session,omitempty"`
}

// VerifyHeard is a code that was heard, of somebody with the key that was shown.
type VerifyHeard struct {
	Name      string `json:"with"`
	About     string `json:"about,omitempty"`
	PublicKey []byte `json:"public_key"`
	Code      string `json:"code"`
}

// VerifyKey is the account's own key.
type VerifyKey struct {
	Fingerprint string    `json:"fingerprint"`
	Made        time.Time `json:"made"`
	// Partners of the realm are told of it.
	Partners bool `json:"partners"`
	// OnCard: the private half is on a card. NewOnCard: it was made there just now. FactoryKey: the
	// card has the management key that everybody knows.
	OnCard     bool `json:"on_card"`
	NewOnCard  bool `json:"new_on_card,omitempty"`
	FactoryKey bool `json:"factory_key,omitempty"`
}

// VerifyCall is what somebody knows while they speak with another.
type VerifyCall struct {
	Name     string `json:"name"`
	FullName string `json:"full_name"`
	Realm    string `json:"realm"`
	ID       string `json:"id"`
	// OwnRealm: Realm is that of the account. Told is when another one last said so to it.
	OwnRealm bool      `json:"own_realm"`
	Told     time.Time `json:"told,omitzero"`
	// Organisation and Domain are what the realm says of itself; they may be empty.
	Organisation string `json:"organisation,omitempty"`
	Domain       string `json:"domain,omitempty"`
	// PublicKey goes back with what is heard.
	PublicKey   []byte    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"`
	KeyMade     time.Time `json:"key_made"`
	// Asked is when the realm last said so. Away: it does not answer now.
	Asked time.Time `json:"asked"`
	Away  bool      `json:"away,omitempty"`
	// Key is what is known of the other's key from earlier calls; Confirmed and FingerprintBefore are of the last time.
	Key               verify.Standing `json:"key"`
	Confirmed         time.Time       `json:"confirmed,omitzero"`
	FingerprintBefore string          `json:"fingerprint_before,omitempty"`
	// LooksLike are others, confirmed before, whose names look like this one, as "name@realm";
	// RealmLooksLike are realms whose names look like Realm.
	LooksLike      []string `json:"looks_like,omitempty"`
	RealmLooksLike []string `json:"realm_looks_like,omitempty"`
	// ServerHeld: the server of Realm has the other's key and can make this code too;
	// OwnServerHeld: the account's server has the account's.
	ServerHeld    bool `json:"server_held"`
	OwnServerHeld bool `json:"own_server_held"`
	// NeedsPIN: the account's key is on a card, and the PIN is to be sent. Touch: the card waits to
	// be touched, and another answer follows.
	NeedsPIN bool `json:"needs_pin,omitempty"`
	Touch    bool `json:"touch,omitempty"`
	// Say is the code, for SecondsLeft; absent until LockedUntil.
	Say         string    `json:"say,omitempty"`
	SecondsLeft int       `json:"seconds_left,omitempty"`
	LockedUntil time.Time `json:"locked_until,omitzero"`
}

// VerifyVerdict is what came of a code that was heard.
type VerifyVerdict struct {
	Verdict     verify.Verdict `json:"verdict"`
	LockedUntil time.Time      `json:"locked_until,omitzero"`
	// Unrecorded: the realm's audit log does not say so. Late: it will, once a server answers.
	Unrecorded bool `json:"unrecorded,omitempty"`
	Late       bool `json:"late,omitempty"`
}
