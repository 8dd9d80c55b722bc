package realm

import (
	"context"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// followEvery is how often a database that is not in the folder is looked at.
const followEvery = time.Second

// Follow notices what other servers of the realm have changed, until ctx ends: it looks
// when one of them says that there is news, and every second in any case, because such a
// word may be lost. Where something moved, or the database cannot be read, it wakes the
// change streams, which read nothing by themselves. A file in the folder is this process's
// alone, and needs nobody.
func (r *Realm) Follow(ctx context.Context) {
	if r.Settings.Database == "" {
		return
	}
	woken := make(chan struct{}, 1)
	if r.reader == nil { // on a standby nothing is said
		go r.listen(ctx, woken)
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var was store.Standing
	for {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-tick.C:
		}
		now, err := r.look(ctx)
		if err == nil && now.News != was.News {
			if err := r.noticeKeys(ctx); err != nil {
				r.Log.WarnContext(ctx, "the realm's keys cannot be read, so this server goes on with those that it has", "error", err)
			}
			if err := r.SealCodes(ctx); err != nil {
				r.Log.WarnContext(ctx, "servers that only read have no copy of the newest one-time codes", "error", err)
			}
		}
		if err != nil || now.Revision != was.Revision || now.News != was.News || now.History != was.History {
			r.Changed.Notify()
		}
		was = now
	}
}

// listen keeps listening: what ends it is tried again a second later.
func (r *Realm) listen(ctx context.Context, woken chan<- struct{}) {
	wake := func() {
		select {
		case woken <- struct{}{}:
		default: // it will look anyway
		}
	}
	told := false
	for {
		err := r.Store.Listen(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		if !told {
			r.Log.WarnContext(ctx, "news of other servers comes by looking once a second, until the database can be listened to again", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(followEvery):
		}
	}
}

// look reads where the realm stands. A copy of the database that nobody has written to yet
// begins its history now, not at the first change: machines that know more than it has are
// told at once.
func (r *Realm) look(ctx context.Context) (s store.Standing, err error) {
	ctx, end := context.WithTimeout(ctx, followEvery)
	defer end()
	if s, err = r.standing(ctx); err != nil {
		return s, err
	}
	r.noteClock(ctx, s.Clock)
	if r.reader != nil {
		return s, r.lookAtStandby(ctx)
	}
	if !s.Moved {
		return s, nil
	}
	err = r.Write(ctx, func(tx *store.Tx) error {
		now, err := tx.Standing()
		if err != nil || !now.Moved {
			return err // another server was first
		}
		h, err := tx.Begin(store.Started, "Another copy of the database serves now: a standby took its primary's place, or it was restored.", 0, r.Now())
		r.Log.WarnContext(ctx, h.Why, "history", h.ID)
		return err
	})
	if err != nil {
		return s, err
	}
	return r.standing(ctx)
}

func (r *Realm) standing(ctx context.Context) (s store.Standing, err error) {
	err = r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if s, err = tx.Standing(); err != nil {
			return err
		}
		return r.NoteTerm(tx, s.Term)
	})
	return s, err
}
