package resolver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
)

// Clock tells a time that does not go backwards unless the server says so. See
// "Time" in the package doc.
type Clock struct {
	cache   *cache.Cache
	wall    func() time.Time
	elapsed func() time.Duration // CLOCK_BOOTTIME

	mu    sync.Mutex
	high  time.Time     // the latest time known for sure
	boot  time.Duration // CLOCK_BOOTTIME when it was
	ahead time.Duration // how far the wall clock was ahead of the server
}

func newClock(c *cache.Cache, wall func() time.Time, boottime func() time.Duration) *Clock {
	return &Clock{cache: c, wall: wall, elapsed: boottime}
}

// load takes up where the last run stopped. After a restart of the machine its
// boot time is what surely went by; within one boot it is the difference. Both
// are never more than the truth.
func (c *Clock) load(ctx context.Context) error {
	k, err := c.cache.Clock(ctx)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.high, c.boot = k.HighWater, k.Boot
	if c.elapsed() < k.Boot {
		c.boot = 0
	}
	return nil
}

// Now is the trusted time: the later of the wall clock and the high-water mark
// moved on by the time that went by since.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.advance()
}

func (c *Clock) advance() time.Time {
	now, boot := c.wall().Add(-c.ahead).Round(0), c.elapsed()
	if gone := max(boot-c.boot, 0); !c.high.IsZero() && c.high.Add(gone).After(now) {
		now = c.high.Add(gone)
	}
	c.high, c.boot = now, boot
	return now
}

// Boottime is CLOCK_BOOTTIME: time asleep counts.
func (c *Clock) Boottime() time.Duration { return c.elapsed() }

// Behind tells by how much the wall clock says less than what is known for sure.
func (c *Clock) Behind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.advance().Sub(c.wall().Add(-c.ahead)), 0)
}

// Contact sets the clock by the server's: the only way back.
func (c *Clock) Contact(server time.Time) {
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.high, c.boot = server, c.elapsed()
	c.ahead = max(c.wall().Sub(server), 0)
}

// Keep stores the high-water mark.
func (c *Clock) Keep(ctx context.Context) error {
	c.mu.Lock()
	c.advance()
	k := cache.Clock{HighWater: c.high, Boot: c.boot}
	c.mu.Unlock()
	if err := c.cache.SetClock(ctx, k); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	return nil
}
