package resolver

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// errHistory ends a stream because a token told of another history than the stream's.
var errHistory = errors.New("the server has begun another history")

// foreign notices a token of a history that is not the stream's: the stream is begun
// anew, and the server says then whether anything was lost. A server that only reads and is
// behind signs in histories that are over.
func (d *Resolver) foreign(t *identity.IDToken) {
	k := d.kept.Load()
	if t == nil || t.History == k.History || t.OnlyReads && t.Revision <= k.Position {
		return
	}
	d.endStream(errHistory)
}

// Reset takes over what a reset says, before the list is read: from here on nothing
// that the server has lost lets anybody in, also after a restart.
func (d *Resolver) Reset(ctx context.Context, e provider.Event) error {
	if !e.Lost {
		return errRelist
	}
	d.index.Disown()
	d.Note(Broken, errRelist)
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	k := *d.kept.Load()
	d.index.Moved(k.History, e.Position.History)
	k.History, k.Position, k.Disowned = e.Position.History, 0, true
	k.LostAt, k.LostWhy = d.clock.Now(), identity.Printable(e.Reason)
	d.announce()
	d.log.WarnContext(ctx, "the server was taken back to an earlier state; the whole list is read, and what it does not say is dropped", "reason", k.LostWhy, "history", k.History)
	d.kept.Store(&k)
	d.heard.set(d.position())
	if err := d.o.Cache.Apply(context.WithoutCancel(ctx), cache.Batch{Realm: d.o.Realm, Contact: &k}); err != nil {
		d.MarkUnstored()
		d.log.ErrorContext(ctx, "that the server lost changes is not stored", "error", err)
	}
	return errRelist
}

// maxLost bounds how many lost accounts are reported: a thousand machines do it at once.
const maxLost = 4096

// reportLost tells the server of the accounts that it has lost, before they are dropped
// here, so that their ids are given to nobody else. It is to help: this machine refuses
// an id that it first saw for another in any case.
func (d *Resolver) reportLost(ctx context.Context, gone []uuid.UUID) {
	r := d.o.Provider.LossReporter
	if r == nil || len(gone) == 0 {
		return
	}
	var signed [][]byte
	for _, id := range gone[:min(len(gone), maxLost)] {
		if t, err := d.o.Cache.Token(ctx, id); err == nil {
			signed = append(signed, t.Signed)
		}
	}
	if err := r.ReportLost(ctx, signed); err != nil {
		d.log.WarnContext(ctx, "the server was not told of the accounts that it lost", "accounts", len(gone), "error", err)
	}
}

// newest is the newest token that is stored, to be shown to the server; none where the
// server keeps no histories.
func (d *Resolver) newest(ctx context.Context) []byte {
	k := d.kept.Load()
	if k.History == uuid.Nil || k.Disowned {
		return nil
	}
	t, err := d.o.Cache.Newest(ctx, d.o.Realm)
	if err != nil {
		return nil // it is only to help
	}
	return t.Signed
}
