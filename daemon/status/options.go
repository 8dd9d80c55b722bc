package status

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
)

// Options are for [New]. All must be set but SealDetail and SealMend.
type Options struct {
	Provider provider.Source
	Cache    *cache.Cache
	Sealer   seal.Sealer
	Policy   *policy.Policy
	Codes    *offline.Codes
	Reader   *cards.Reader
	// SealDetail says where and why, and SealMend what would be stronger.
	SealDetail, SealMend string
	Machine              uuid.UUID // this machine's uuid at the server
	Realm                string
	Version              string
	Now                  func() time.Time // the wall clock
	// Able counts who could log in offline, of those whose password is remembered.
	Able func(ctx context.Context, has map[uuid.UUID]bool) int
	// Others are findings of what is no realm's own.
	Others func() []report.Finding
}

// Realm tells of one realm. It is made by [New] and safe for concurrent use.
type Realm struct {
	*resolver.Resolver
	o         Options
	verdict   atomic.Pointer[heard] // what the server last said of itself
	published atomic.Pointer[published]
}

// New makes one.
func New(r *resolver.Resolver, o Options) *Realm { return &Realm{Resolver: r, o: o} }
