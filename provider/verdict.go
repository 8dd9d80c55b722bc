package provider

import (
	"context"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// VerdictGiver is a server that says how it stands, and what it would say to a sign-in
// here. What it says is for explaining and decides nothing.
type VerdictGiver interface {
	// Verdict is about that account; of "" it is about the server alone.
	Verdict(ctx context.Context, name identity.Name) (Verdict, error)
}

// Verdict is what a server says of itself and of one account.
type Verdict struct {
	ServerTime time.Time
	// DiskFull: it can write nothing down, and lets nobody sign in.
	DiskFull bool
	// Machine is this machine's name at the server.
	Machine string
	// Known: this machine may know such an account, and Standing is a word for its state.
	Known    bool
	Standing string
	Locks    []VerdictLock
}

// VerdictLock is a lock that wrong answers have left at the server.
type VerdictLock struct {
	Factor, Origin string
	// Realm: it holds at every machine that the person has not signed in at.
	Realm    bool
	Until    time.Time
	Failures int
}
