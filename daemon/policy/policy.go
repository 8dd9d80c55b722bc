package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/identity"
)

// Policy is what this machine's administrator decided. It is plain data. The
// zero value lets nobody in, and takes no id; durations and numbers that are
// zero or less get the value named beside them, but for OfflineMax.
type Policy struct {
	// AllowAll lets every account of the realm log in here.
	AllowAll bool
	// AllowGroups lets their members in. They are matched by uuid, never by name.
	AllowGroups []uuid.UUID
	// QualifiedUsers and QualifiedGroups say that the realm's names are name@realm, and
	// Aliases that other spellings find them; see [identity.Naming].
	QualifiedUsers, QualifiedGroups bool
	Aliases                         bool
	// IDs are the ranges that uids and gids must lie in.
	IDs []identity.IDRange
	// Reserved are names that nothing of a realm may have, besides those of
	// identity.ReservedName.
	Reserved []string
	// LocalGroups are names of /etc/group; the members of the realm's group with
	// that uuid are given them. The group 0 is nobody's.
	LocalGroups map[string]uuid.UUID
	// Services are policies of PAM services; others demand what every login does.
	Services map[string]Service
	// SubIDs is where subordinate ids are given out; zero: identity.SubIDRange.
	SubIDs identity.IDRange

	LookupTimeout time.Duration // for an account that is not known here: 5 s
	ServerTimeout time.Duration // for one step of an authentication, then offline: 4 s
	OfflineMax    time.Duration // caps what a token allows; zero allows nothing offline
	OfflineTries  int           // wrong answers before a lock: 5
	LockMin       time.Duration // the first lock; doubled by each further failure: 30 s
	LockMax       time.Duration // 1 h
	RefreshEvery  time.Duration // of accounts, where the provider tells no changes: 10 min
	MaxGroups     int           // that are remembered because they were asked for: 4096
	// RemoteReasons tells people at other hosts why they are refused, see remote.go.
	RemoteReasons bool
	FailDelay     time.Duration // that a host program waits after a denial: 2 s
	KeepNames     time.Duration // that names are answered after the last contact: for ever
	WatchSilence  time.Duration // after which a silent change stream counts as lost: 90 s
	BackoffMin    time.Duration // between attempts to reach the server: 500 ms
	BackoffMax    time.Duration // 30 s
	Argon         Argon
}

// Argon is the cost of an offline verifier (RFC 9106). Zero fields get 64 MiB, 3
// passes, 1 thread.
type Argon struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

// WithDefaults has the values that stand beside the fields where there are none.
func (p Policy) WithDefaults() Policy {
	for at, def := range map[*time.Duration]time.Duration{
		&p.LookupTimeout: 5 * time.Second,
		&p.ServerTimeout: 4 * time.Second,
		&p.LockMin:       30 * time.Second,
		&p.LockMax:       time.Hour,
		&p.RefreshEvery:  10 * time.Minute,
		&p.FailDelay:     2 * time.Second,
		&p.WatchSilence:  90 * time.Second,
		&p.BackoffMin:    500 * time.Millisecond,
		&p.BackoffMax:    30 * time.Second,
	} {
		if *at <= 0 {
			*at = def
		}
	}
	if p.OfflineTries <= 0 {
		p.OfflineTries = 5
	}
	if p.MaxGroups <= 0 {
		p.MaxGroups = 4096
	}
	if p.Argon.Memory == 0 {
		p.Argon.Memory = 64 << 10
	}
	if p.Argon.Time == 0 {
		p.Argon.Time = 3
	}
	if p.Argon.Threads == 0 {
		p.Argon.Threads = 1
	}
	p.AllowGroups = slices.Clone(p.AllowGroups)
	p.IDs = slices.Clone(p.IDs)
	p.Reserved = slices.Clone(p.Reserved)
	p.LocalGroups = maps.Clone(p.LocalGroups)
	p.Services = maps.Clone(p.Services)
	if p.SubIDs == (identity.IDRange{}) {
		p.SubIDs = identity.SubIDRange
	}
	return p
}

// NamesGroup tells whether somebody's rights here hang on the group.
func (p *Policy) NamesGroup(id uuid.UUID) bool {
	if slices.Contains(p.AllowGroups, id) {
		return true
	}
	for _, of := range p.LocalGroups {
		if of == id {
			return true
		}
	}
	for _, s := range p.Services {
		if slices.Contains(s.Require, id) {
			return true
		}
	}
	return false
}

// OriginBrake counts one origin: what it locks is nobody else's.
func (p *Policy) OriginBrake() identity.Brake {
	return identity.Brake{From: uint32(p.OfflineTries), First: p.LockMin, Most: p.LockMax, Quiet: 24 * time.Hour} //nolint:gosec // configured, and small
}

// MachineBrake counts all origins that it could lock, see package lockout. Its numbers are the
// server's, but for somebody who allows more tries than these.
func (p *Policy) MachineBrake() identity.Brake {
	return identity.Brake{From: uint32(max(20, 4*p.OfflineTries)), First: time.Minute, Most: time.Hour, Forget: time.Hour} //nolint:gosec // the same
}
