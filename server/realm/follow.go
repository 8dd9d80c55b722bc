package realm

import (
	"context"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// followEvery is how often a database that is not in the folder is looked at.
const followEvery = time.Second

// Follow looks at a database that lives elsewhere until ctx ends, and wakes the change
// streams where its revision moved or it cannot be read: a stream says that nothing has
// changed without reading anything, so somebody has to. A file in the folder is this
// process's alone, and needs nobody.
func (r *Realm) Follow(ctx context.Context) {
	if r.Settings.Database == "" {
		return
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var was uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var now uint64
		bounded, end := context.WithTimeout(ctx, followEvery)
		err := r.Store.Read(bounded, func(tx *store.Tx) (err error) {
			now, err = tx.Position()
			return err
		})
		end()
		if err != nil || now != was {
			r.Changed.Notify()
		}
		was = now
	}
}
