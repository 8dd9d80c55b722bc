package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// A server that keeps histories begins one at each start, and one that was restored
// from an older backup does not know the histories that it lost. Revisions of two
// histories do not compare. What this machine does:
//
//	what comes                              what is held                 then
//	a stream of another history, no reset   of an earlier history        nothing was lost: it counts
//	a reset, nothing lost                   too old for the log          the list is read, and wins
//	a reset, changes lost                   of a lost history            it lets nobody in; the list
//	                                                                     is read, and wins
//	a token with a list                     whatever its revision        the token is taken
//	a token of the same history             of a higher revision         the token is ignored
//	a token of a history that this          any                          the token is ignored: it
//	machine has left                                                     came late
//	a token of a history never heard of     any                          the token is taken, and the
//	                                                                     stream is begun anew

// errHistory ends a stream because a token told of another history than the stream's.
var errHistory = errors.New("the server has begun another history")

// left are the histories that this machine has followed and left: what still comes of
// them is late. They are kept in memory, as what could come late is.
type left struct {
	mu   sync.Mutex
	list []uuid.UUID
}

const maxLeft = 64

func (l *left) has(h uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.list, h)
}

// moved notes that the machine goes on in another history.
func (l *left) moved(from, to uuid.UUID) {
	if from == to {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(h uuid.UUID) bool { return h == to || h == from })
	if from == uuid.Nil {
		return // nothing is known of where that was
	}
	if len(l.list) >= maxLeft {
		l.list = l.list[1:]
	}
	l.list = append(l.list, from)
}

// listing is a list that is being read: what came by another way since it began may be
// newer than what it says.
type listing struct {
	begun uint32
}

// beginList opens the index for a list that wins: what groups are called is told anew.
func (x *index) beginList() *listing {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, g := range x.groups {
		g.revision = 0
	}
	x.listBegun = x.seq
	return &listing{begun: x.seq}
}

// forgetGroups lets a token say anew what its groups are called, where it is of another
// history; the caller holds the lock.
func (x *index) forgetGroups(t *identity.IDToken) {
	for _, g := range t.Groups {
		if in := x.groups[g.UUID]; in != nil {
			in.revision = 0
		}
	}
}

// since tells whether the entry came after the list began. The count wraps, so it is the
// difference that tells.
func (l *listing) since(p *packed) bool { return int32(p.seq-l.begun) > 0 } //nolint:gosec // meant to wrap

// late tells why a token is passed over in favour of what is held; "" when it is not.
// The caller holds the index's lock; held may be nil.
func (d *Daemon) late(t *identity.IDToken, held *packed, in *listing) string {
	if in == nil && d.left.has(t.History) {
		return "it is of a history that the server has left"
	}
	if held == nil || t.Revision >= held.revision || d.index.historyOf(held) != t.History {
		return ""
	}
	if in != nil && !in.since(held) {
		return "" // the list wins: the server says now that there is less than it once said
	}
	return "a newer one is held"
}

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

// historyNumber is the number of a history in the index; the caller holds the lock.
func (x *index) historyNumber(h uuid.UUID) int {
	for i, o := range slices.Backward(x.histories) {
		if o == h {
			return i
		}
	}
	x.histories = append(x.histories, h)
	return len(x.histories) - 1
}

func (x *index) historyOf(p *packed) uuid.UUID { return x.histories[p.history()] }

// disown marks all that is held: the server has said that it lost changes.
func (x *index) disown() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.disownedTo, x.disowned = x.seq, true
	x.stirred.visible, x.stirred.lost = true, true
}

// own ends that: the list was taken.
func (x *index) own() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.disowned = false
}

// isDisowned tells whether the entry is of what the server has lost.
func (x *index) isDisowned(e *entry) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.disowned && int32(e.seq-x.disownedTo) <= 0 //nolint:gosec // meant to wrap
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
	d.index.disown()
	d.note(evBroken, errRelist)
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	k := *d.kept.Load()
	d.left.moved(k.History, e.Position.History)
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
