package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// errHistory ends a stream because a token told of another history than the stream's.
var errHistory = errors.New("the server has begun another history")

// foreign notices a token of a history that is not the stream's: the stream is begun
// anew, and the server says then whether anything was lost.
func (d *Daemon) foreign(t *identity.IDToken) {
	if t == nil || t.History == d.kept.Load().History {
		return
	}
	if cancel := d.relist.Load(); cancel != nil {
		(*cancel)(errHistory)
	}
}

const (
	disownedWhy  = "The server was taken back to an earlier state, and this machine has not read its list of accounts since."
	disownedMend = "Try again when the server can be reached."
)

// resetBy takes over what a reset says, before the list is read: from here on nothing
// that the server has lost lets anybody in, also after a restart.
func (d *Daemon) resetBy(ctx context.Context, e provider.Event) error {
	if !e.Lost {
		return errRelist
	}
	d.index.Disown()
	d.note(evBroken, errRelist)
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	k := *d.kept.Load()
	d.index.Moved(k.History, e.Position.History)
	k.History, k.Position, k.Disowned = e.Position.History, 0, true
	k.LostAt, k.LostWhy = d.clock.now(), printable(e.Reason)
	d.announce()
	d.log.WarnContext(ctx, "the server was taken back to an earlier state; the whole list is read, and what it does not say is dropped", "reason", k.LostWhy, "history", k.History)
	d.kept.Store(&k)
	if err := d.o.Cache.Apply(context.WithoutCancel(ctx), cache.Batch{Realm: d.o.Realm, Contact: &k}); err != nil {
		d.holdBack.Store(true)
		d.log.ErrorContext(ctx, "that the server lost changes is not stored", "error", err)
	}
	return errRelist
}

// maxLost bounds how many lost accounts are reported: a thousand machines do it at once.
const maxLost = 4096

// reportLost tells the server of the accounts that it has lost, before they are dropped
// here, so that their ids are given to nobody else. It is to help: this machine refuses
// an id that it first saw for another in any case.
func (d *Daemon) reportLost(ctx context.Context, gone []uuid.UUID) {
	r, ok := d.o.Provider.(provider.LossReporter)
	if !ok || len(gone) == 0 {
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
func (d *Daemon) newest(ctx context.Context) []byte {
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

// lossTold is for how long status names it among its findings.
const lossTold = 30 * 24 * time.Hour

func (d *Daemon) historyStatus(p *report.Provider) {
	k := d.kept.Load()
	if k.History != uuid.Nil {
		p.History = k.History.String()
	}
	if !k.LostAt.IsZero() {
		p.WentBack, p.WentBackWhy = &k.LostAt, k.LostWhy
	}
}

func (d *Daemon) historyFindings() []report.Finding {
	k := d.kept.Load()
	if k.LostAt.IsZero() || d.clock.now().Sub(k.LostAt) > lossTold {
		return nil
	}
	why := k.LostWhy
	if why == "" {
		why = "It gave no reason."
	}
	f := report.Finding{
		Check: "history", Severity: report.Note,
		Detail: fmt.Sprintf("On %s the server said that it was taken back to an earlier state. %s This machine goes by the server's list since, and dropped what the list does not say.", day(k.LostAt.Unix()), why),
		Mend:   "Tell people whose password, keys or groups had changed in between that the older ones count again.",
	}
	if k.Disowned {
		f.Severity = report.Warning
		f.Detail = fmt.Sprintf("On %s the server said that it was taken back to an earlier state. %s Its list of accounts was not read since, so nobody can log in by what this machine remembers.", day(k.LostAt.Unix()), why)
		f.Mend = "Make sure that this machine can reach the server."
	}
	return []report.Finding{f}
}
