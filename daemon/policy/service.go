package policy

import (
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/identity"
)

// Service is the policy of one PAM service beyond that of every login. The zero
// value demands nothing more and remembers nothing.
type Service struct {
	// StepUp demands a proof that is at most MaxAge old, in the account phase too,
	// and remembers one for so long.
	StepUp bool
	// MaxAge of a proof; zero or less: 5 min. Only with StepUp.
	MaxAge time.Duration
	// WholeSession lets a proof count in all of an audited login session, instead of at
	// one terminal. Only with StepUp.
	WholeSession bool
	// Require are groups, by uuid: the account must be in each, and the proof must
	// hold all that they demand. Nobody is in uuid.Nil.
	Require []uuid.UUID
	// Factors that the proof must hold.
	Factors []identity.FactorKind
	// Points that the proof must come to in the realm's table.
	Points uint16
	// TrustedUsers are local users whose programs may ask about others here.
	// Only without StepUp.
	TrustedUsers []string
	// NoCards asks for no card here, whoever logs in.
	NoCards bool
	// DueByKey is what happens to who was let in without a password, such as by an ssh key,
	// while theirs has to be changed.
	DueByKey DueByKey
}

// DueByKey is one of these.
type DueByKey uint8

const (
	DueLetsIn  DueByKey = iota // as if it had not to be changed
	DueAsks                    // the host has it changed, where the server can be reached
	DueRefuses                 // they stay out until it is changed
)

// DefaultMaxAge is how old a proof may be where the policy does not say.
const DefaultMaxAge = 5 * time.Minute

// ProofAge is MaxAge, or its default.
func (s Service) ProofAge() time.Duration {
	if s.MaxAge <= 0 {
		return DefaultMaxAge
	}
	return s.MaxAge
}

// At is where a proof of that session counts. A session that the kernel has no number
// for is no more than its terminal.
func (s Service) At(where identity.LoginSession) identity.LoginSession {
	if s.WholeSession && where.Audited() {
		return identity.LoginSession{Audit: where.Audit}
	}
	return where
}

// LooksAt tells whether the service looks for its proofs there.
func (s Service) LooksAt(kept identity.LoginSession) bool {
	whole := kept == identity.LoginSession{Audit: kept.Audit}
	return s.At(kept) == kept && (s.WholeSession || !whole)
}
