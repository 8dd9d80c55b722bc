package report

import "time"

// ProofArgs are what somebody proves who they are with, where what is remembered of their
// login does not suffice: as [EnrolArgs].
type ProofArgs struct {
	EnrolArgs
}

// AskArgs lodge a request to log in by ssh. Nothing in them is believed but by the server.
type AskArgs struct {
	ProofArgs
	// ID is a UUID that the caller chose: the same request is lodged once.
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"`
	Hops   []Hop  `json:"hops"`
	Role   string `json:"role,omitempty"`
	// Forward is what is to be forwarded: "local", "remote", "x11".
	Forward []string `json:"forward,omitempty"`
	// PublicKey, in ssh's wire form, is certified at once where that is granted at once.
	PublicKey []byte `json:"public_key,omitempty"`
}

// Hop is one machine that is gone through; the last one is the target.
type Hop struct {
	Host string `json:"host"`
	Port uint16 `json:"port,omitempty"`
	// Account is whom to log in as; "": who asks.
	Account string `json:"account,omitempty"`
}

// RequestArgs name a request. State and WaitSeconds, of [VerbRequest], have the answer wait
// until it is in another state.
type RequestArgs struct {
	ProofArgs
	ID          string `json:"id"`
	State       string `json:"state,omitempty"`
	WaitSeconds uint32 `json:"wait_seconds,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Approve     bool   `json:"approve,omitempty"`
	// PublicKey is in ssh's wire form, of [VerbCertify].
	PublicKey []byte `json:"public_key,omitempty"`
}

// Requested answers the verbs of requests. Where more is to be proved first, nothing was
// done.
type Requested struct {
	// NeedsProof: a password, or a card's PIN, must come with it; NeedsCode: a code as well.
	NeedsProof bool `json:"needs_proof,omitempty"`
	NeedsCode  bool `json:"needs_code,omitempty"`
	// Request is how it stands.
	Request *Request `json:"request,omitempty"`
	// Own and Others are those of [VerbRequests]: the account's, and those that it may decide.
	Own    []Request `json:"own,omitempty"`
	Others []Request `json:"others,omitempty"`
	// Certified is of [VerbCertify], and of [VerbAsk] where it was granted at once.
	Certified *Certified `json:"certified,omitempty"`
	// VerifyKey is of [VerbVerifySetUp].
	VerifyKey *VerifyKey `json:"verify_key,omitempty"`
}

// Request is something that somebody asked for.
type Request struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// State is "asked", "waiting", "granted", "denied", "withdrawn", "expired", "used" or
	// "ended".
	State   string    `json:"state"`
	Account string    `json:"account"`
	Machine string    `json:"machine"`
	Origin  string    `json:"origin,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Subject string    `json:"subject"`
	Role    string    `json:"role,omitempty"`
	Asked   time.Time `json:"asked"`
	// Until is when it expires, and of a grant when it ends.
	Until     time.Time  `json:"until,omitzero"`
	Demand    *Demand    `json:"demand,omitempty"`
	Needs     []Need     `json:"needs,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
	Why       string     `json:"why,omitempty"`
	Rules     []string   `json:"rules,omitempty"`
	// Yours: who asks for the list may decide it now.
	Yours bool `json:"yours,omitempty"`
}

// Demand is what must be proved before a request goes on.
type Demand struct {
	MaxAgeSeconds uint32   `json:"max_age_seconds"`
	Kinds         []string `json:"kinds,omitempty"`
	Points        uint32   `json:"points,omitempty"`
}

// Need is how many of a group must approve.
type Need struct {
	Group string `json:"group"`
	Count uint32 `json:"count"`
}

// Decision is what one account said.
type Decision struct {
	Account  string    `json:"account"`
	Approved bool      `json:"approved"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// Certified are the certificates for the hops of a grant, in ssh's wire form.
type Certified struct {
	Hops []CertifiedHop `json:"hops"`
	// Hosts are the keys that sign host certificates.
	Hosts [][]byte `json:"hosts"`
	// ServerTime is what the server's clock said.
	ServerTime time.Time `json:"server_time,omitzero"`
}

// CertifiedHop lets somebody in at one machine.
type CertifiedHop struct {
	Certificate []byte `json:"certificate"`
	Machine     string `json:"machine"`
	// HostAlias is what its host certificate calls the machine.
	HostAlias string `json:"host_alias"`
	// HostKeys are its sshd's, in ssh's wire form.
	HostKeys [][]byte `json:"host_keys,omitempty"`
	// ClockAheadSeconds is by how much its clock is before the server's, negative: behind; 0
	// where that is not known.
	ClockAheadSeconds int64 `json:"clock_ahead_seconds,omitempty"`
}
