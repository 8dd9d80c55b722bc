package report

import (
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// DropArgs says whose proofs are to be forgotten; "" is the peer's own.
type DropArgs struct {
	Name string `json:"name,omitempty"`
	// Session: only those made there; absent: all.
	Session *identity.LoginSession `json:"session,omitempty"`
}

// Dropped answers VerbDrop.
type Dropped struct {
	Proofs int `json:"proofs"` // how many there were
}

// WhoamiArgs says where the peer is.
type WhoamiArgs struct {
	Session identity.LoginSession `json:"session"`
	// Groups are the supplementary gids of the peer's own process.
	Groups []uint32 `json:"groups,omitempty"`
}

// Whoami answers VerbWhoami.
type Whoami struct {
	// Realm is whose account it is.
	Realm   string                `json:"realm,omitempty"`
	Account Account               `json:"account"`
	Session identity.LoginSession `json:"session"`
	// Proofs are those made in this session and terminal, the newest first.
	Proofs []Proof `json:"proofs,omitempty"`
	// Earned are the groups that a session of this account must earn.
	Earned []EarnedGroup `json:"earned,omitempty"`
}

// EarnedGroup is a group that is no one's by name. Whoever has it keeps it until the
// session's last process ends.
type EarnedGroup struct {
	Name identity.Name `json:"name"`
	GID  uint32        `json:"gid"`
	// Here: this session has it.
	Here bool `json:"here"`
	// Takes is what must be proved, for people.
	Takes string `json:"takes"`
}

// Proof is one authentication that is remembered.
type Proof struct {
	At      time.Time `json:"at"`
	Factors []string  `json:"factors"`
	// Offline: this machine checked it, without the server.
	Offline bool `json:"offline"`
	// Asker is who ran the program, as it said; su's is not the account.
	Asker   string                `json:"asker,omitempty"`
	Session identity.LoginSession `json:"session"`
	// Groups are those that demand a strength, and this has it.
	Groups   []identity.Name `json:"groups"`
	Services []ServiceProof  `json:"services"`
}

// ServiceProof says whether a proof suffices for a service, and until when.
type ServiceProof struct {
	Service string     `json:"service"`
	Until   *time.Time `json:"until,omitempty"`
	// Reason is why not; "" where Until is set.
	Reason string `json:"reason,omitempty"`
}

// StepUp is the policy of the service that explain was asked for.
type StepUp struct {
	Required      bool  `json:"required"`
	MaxAgeSeconds int64 `json:"max_age_s,omitempty"`
	// Demands are the factors that a proof must hold, Points how much they must come
	// to; Member tells whether the account is in all the groups that the service
	// requires.
	Demands []string `json:"demands"`
	Points  int      `json:"points,omitempty"`
	Member  bool     `json:"member"`
	// Proofs are those that suffice now, each in its own session and terminal.
	Proofs []Proof `json:"proofs"`
}
