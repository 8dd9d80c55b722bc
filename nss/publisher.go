package nss

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// Source is the directory that a [Publisher] follows.
type Source interface {
	// View is the directory as of now, no older than what Revisions said before.
	View(ctx context.Context) (identity.View, error)
	// DirectoryStanding says how far the view may be trusted, as of now.
	DirectoryStanding() identity.DirectoryStanding
	Revisions() identity.Revisions
	// Changed is ready to be received from after the revisions have changed. It is
	// asked for anew before each look at them.
	Changed() <-chan struct{}
}

// Publisher keeps the directory snapshot in Dir like its Source:
//
//	state      event                        what happens                      then
//	idle       the content changed          a time is set, see below          gathering
//	idle       heartbeat: the file is gone  the same                          gathering
//	gathering  the content changed          nothing: the view will have it    gathering
//	gathering  the time has come            the view is taken and written     writing
//	idle or    an urgent change             the view is taken and written     writing
//	gathering
//	writing    it is whole, nothing new     it is put in place                idle
//	writing    it is whole, and the content it is put in place, a time is set gathering
//	           changed meanwhile            (at once if that was urgent)
//	writing    a fault                      the old file stays, Published     gathering
//	                                        says why, a time is set
//	any        the standing changed         the words of the file in place    as it was
//	                                        are set, at once
//	any        the context ends             absent-until is 0                 over
//
// The time is 20 ms after the change, but 100 ms after the last file was begun,
// and three times as long after it as that file took: what is written next to each other
// becomes one file, and a large directory takes a third of one processor at most.
// After a fault it is a second, doubling up to a minute; only an urgent change that was not tried
// yet does not wait for that.
//
// While the source knows that what it does not have does not exist, the word
// absent-until is kept between 90 and 150 seconds ahead. That writes one page
// in a minute, and ends by itself when nobody is there any more to know better.
// It is 0 from a start until the source says otherwise, from the moment it no
// longer does, and after a clean end.
//
// A crash between any two steps leaves the old file or the new one, whole. What
// else it left is cleared away at the next start, and readers of a file that was
// replaced, but not yet told, are told then.
type Publisher struct {
	Source Source
	// Dir is the folder of the file. It must exist, and nobody else writes there.
	Dir string
	// Realms and Aliases: see [snapshot.Options].
	Realms  []snapshot.Realm
	Aliases bool
	Log     *slog.Logger
	// Published, if not nil, is told of every file and of every fault, by Run's
	// own goroutine.
	Published func(Published)
}

// Published is what came of one file.
type Published struct {
	At    time.Time // when it was begun
	Of    identity.Revisions
	Took  time.Duration
	Stats snapshot.Stats
	// Err says why the old file, if there is one, stays in force; nil if the new one is.
	Err error
}

// The times of a [Publisher].
const (
	gather    = 20 * time.Millisecond  // from a change to the file
	apart     = 100 * time.Millisecond // from one file to the next
	stretch   = 3                      // times what the last file took
	heartbeat = time.Minute
	absentFor = 150 * time.Second
	retryMin  = time.Second
	retryMax  = time.Minute
)

// Run publishes until the context ends, and then returns nil. Faults of the file
// system never end it.
func (p *Publisher) Run(ctx context.Context) error {
	r := &publishing{Publisher: p, folder: folder(p.Dir), written: make(chan written, 1), missing: true, since: time.Now()}
	r.quieten()
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	for {
		changed := p.Source.Changed() // before the look: what changes after it is not missed
		now := time.Now()
		r.look(now)
		r.stand(now)
		if r.wanted() && !r.writing && !now.Before(r.due(now)) {
			r.begin(ctx, now)
		}
		timer.Reset(r.next(now).Sub(now))
		select {
		case <-ctx.Done():
			r.end()
			return nil
		case <-changed:
		case <-timer.C:
		case w := <-r.written:
			r.writing = false
			r.finish(w)
		}
	}
}

// publishing is what Run remembers.
type publishing struct {
	*Publisher
	folder folder

	revisions identity.Revisions // at the last look
	begun     identity.Revisions // when the last file was begun
	inPlace   uint64             // content of the file in place
	missing   bool               // there is none of ours in place

	since     time.Time // of the first change that is in no file; zero: none
	lastBegun time.Time
	took      time.Duration
	retry     time.Time     // not before, after a fault
	backoff   time.Duration // zero: no fault
	writing   bool
	written   chan written

	place      *placed // the file in place; nil: not known
	stood      identity.DirectoryStanding
	renew      time.Time // when absent-until is to be set again
	absent     bool      // what the source said, and from which content on it holds
	absentFrom uint64
	nextBeat   time.Time
}

// written is what the writing goroutine has done.
type written struct {
	name  string // of the whole file, not in place yet
	rev   identity.Revisions
	at    time.Time
	took  time.Duration
	stats snapshot.Stats
	err   error
}

// look notes what changed, and each minute whether the file is still there.
func (r *publishing) look(now time.Time) {
	rev := r.Source.Revisions()
	if rev.Content != r.revisions.Content && r.since.IsZero() {
		r.since = now
	}
	r.revisions = rev
	if now.Before(r.nextBeat) {
		return
	}
	r.nextBeat = now.Add(heartbeat)
	if r.place != nil && !r.place.there() {
		r.Log.Warn("the directory snapshot is gone, it is published again", "folder", r.Dir)
		r.missing = true
		if r.since.IsZero() {
			r.since = now
		}
	}
}

func (r *publishing) wanted() bool { return r.missing || r.revisions.Content != r.inPlace }

// due is when the next file is to be begun.
func (r *publishing) due(now time.Time) time.Time {
	if r.revisions.Urgent != r.begun.Urgent {
		return now
	}
	at := r.retry
	if !r.since.IsZero() {
		at = later(at, r.since.Add(gather))
	}
	if r.lastBegun.IsZero() {
		return at
	}
	return later(at, r.lastBegun.Add(max(apart, stretch*r.took)))
}

// next is when Run must look again though nothing has changed.
func (r *publishing) next(now time.Time) time.Time {
	at := r.nextBeat
	if r.stood.Absent {
		at = earlier(at, r.renew)
	}
	if r.wanted() && !r.writing {
		at = earlier(at, r.due(now))
	}
	return at
}

// begin takes the view and writes it, beside the loop: what the standing does
// meanwhile must not wait for that.
func (r *publishing) begin(ctx context.Context, now time.Time) {
	r.begun, r.lastBegun, r.since, r.writing = r.revisions, now, time.Time{}, true
	w := written{rev: r.revisions, at: now}
	go func() {
		w.name, w.stats, w.err = r.write(ctx)
		w.took = time.Since(w.at)
		r.written <- w
	}()
}

func (r *publishing) write(ctx context.Context) (string, snapshot.Stats, error) {
	view, err := r.Source.View(ctx)
	if err != nil {
		return "", snapshot.Stats{}, err //nolint:wrapcheck // the source says what it was doing
	}
	// Not yet trusted: the words are set when it is put in place.
	return r.folder.write(view, snapshot.Options{Realms: r.Realms, Aliases: r.Aliases})
}

// finish puts a whole file in place.
func (r *publishing) finish(w written) {
	begun := time.Now()
	if w.err == nil {
		w.err = r.put(w.name)
	}
	w.took += time.Since(begun)
	r.took = w.took
	if w.err != nil {
		r.backoff = min(max(2*r.backoff, retryMin), retryMax)
		r.retry = time.Now().Add(r.backoff)
		r.Log.Error("the directory snapshot was not published; the one before stays in force", "error", w.err, "again in", r.backoff)
	} else {
		r.inPlace, r.missing, r.backoff, r.retry = w.rev.Content, false, 0, time.Time{}
		r.Log.Debug("directory snapshot published", "accounts", w.stats.Accounts, "groups", w.stats.Groups, "bytes", w.stats.Size, "took", w.took)
	}
	if r.Published != nil {
		r.Published(Published{At: w.at, Of: w.rev, Took: w.took, Stats: w.stats, Err: w.err})
	}
}

// put gives the new file its words, renames it over the old and tells the
// readers of that.
func (r *publishing) put(name string) error {
	defer r.folder.remove(name) // if it is still there
	if err := r.folder.retire(); err != nil {
		return err
	}
	next, err := r.folder.open(name)
	if err != nil {
		return err
	}
	// What the word absent-until may say is known once it is in place.
	next.set(identity.DirectoryStanding{Until: r.Source.DirectoryStanding().Until}, time.Time{})
	if err := r.folder.replace(name); err != nil {
		next.close()
		return err
	}
	old := r.place
	r.place, r.stood = next, identity.DirectoryStanding{}
	if err := r.folder.sync(); err != nil {
		r.Log.Warn("the directory snapshot is in place, but may not outlast a power cut", "error", err)
	}
	if old != nil {
		old.marks.Supersede() // also when somebody had taken it out of the folder
		old.close()
	}
	if err := r.folder.retire(); err != nil {
		r.Log.Warn("the directory snapshot is in place, but programs that run were not told", "error", err)
	}
	return nil
}

// quieten clears away what a crash left, and takes the file that is there for
// what it is: of a time before this.
func (r *publishing) quieten() {
	err := r.folder.settle()
	if err == nil {
		r.place, err = r.folder.open(current)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.Log.Warn("directory snapshot of before", "folder", r.Dir, "error", err)
	}
	if r.place != nil {
		r.place.marks.SetAbsentUntil(time.Time{})
	}
}

// stand sets the words of the file in place. What the file lacks does not exist
// only if the file has what the source had when that began to be so, and no later
// one could not be written.
func (r *publishing) stand(now time.Time) {
	s := r.Source.DirectoryStanding()
	if s.Absent && !r.absent {
		r.absentFrom = r.Source.Revisions().Content
	}
	r.absent = s.Absent
	s.Absent = s.Absent && !r.missing && r.inPlace >= r.absentFrom && r.backoff == 0
	same := s.Absent == r.stood.Absent && s.Until.Equal(r.stood.Until)
	if r.place == nil || (same && (!s.Absent || now.Before(r.renew))) {
		return
	}
	r.place.set(s, now)
	r.stood, r.renew = s, now.Add(heartbeat)
}

// end waits for a file that is being written, and drops it.
func (r *publishing) end() {
	if r.writing {
		if w := <-r.written; w.err == nil {
			r.folder.remove(w.name)
		}
	}
	if r.place != nil {
		r.place.marks.SetAbsentUntil(time.Time{})
		r.place.close()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
