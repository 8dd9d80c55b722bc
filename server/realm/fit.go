package realm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
)

// maxSkew is how far this server's clock may be from the database's. One-time codes, locks
// and tokens of two servers must agree about the time.
const maxSkew = 20 * time.Second

// errClock says that this server must not answer for its realm now.
var errClock = errors.New("this server's clock differs from the database's: set both by NTP")

// noteClock compares the clocks, and says once when they part and when they agree again.
func (r *Realm) noteClock(ctx context.Context, database time.Time) {
	if database.IsZero() {
		return
	}
	skew := r.Now().Sub(database)
	was := time.Duration(r.skew.Swap(int64(skew)))
	switch is, before := skew.Abs() > maxSkew, was.Abs() > maxSkew; {
	case is && !before:
		r.Log.ErrorContext(ctx, "requests are refused: "+errClock.Error(), "skew", skew)
	case !is && before:
		r.Log.InfoContext(ctx, "the clock agrees with the database's again", "skew", skew)
	}
}

// Skew is by how much this server's clock is before the database's, as of the last look.
func (r *Realm) Skew() time.Duration { return time.Duration(r.skew.Load()) }

// Fit tells why this server must not answer for its realm now; nil where it may. A machine
// that is told so asks another server.
func (r *Realm) Fit() error {
	if r.Skew().Abs() > maxSkew {
		return connect.NewError(connect.CodeUnavailable, errClock)
	}
	if r.terms.older() {
		return older()
	}
	if r.reader != nil {
		return r.reader.fit()
	}
	return nil
}

// Ready tells why nobody can be served now; nil where requests are answered.
func (r *Realm) Ready(ctx context.Context) error {
	if err := r.Fit(); err != nil {
		return err
	}
	if r.Store.NoSpace() {
		return errors.New("the disk of the database is full")
	}
	if _, err := r.standing(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	return nil
}
