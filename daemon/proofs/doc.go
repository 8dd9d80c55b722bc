// Package proofs holds what accounts have proved on this machine and what still counts. It
// is in memory alone: a restart of the daemon or of the machine forgets all of it.
//
// [StepUps] are for services that demand a fresh proof, such as sudo: a proof counts for
// one account at one [Place] until it is too old. [Sessions] are for the time between a
// login's authentication and the beginning of its session: they tell what let a process in.
// [Tokens] are the server's own word for who signed in here, for what is asked of it later.
//
// This package only remembers. Whether a proof is enough, and not too old, is decided by
// package daemon.
package proofs

import "github.com/google/uuid"

// Store is all of them. Its zero value is empty, and its methods are safe for concurrent use.
type Store struct {
	StepUps  StepUps
	Sessions Sessions
	Tokens   Tokens
}

// Forget ends what an account proved.
func (s *Store) Forget(account uuid.UUID) {
	s.StepUps.Forget(account, nil)
	s.Sessions.forget(account)
	s.Tokens.Forget(account)
}

// ForgetAll ends what anybody proved.
func (s *Store) ForgetAll() {
	s.StepUps.clear()
	s.Sessions.clear()
	s.Tokens.clear()
}
