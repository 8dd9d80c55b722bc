package verification

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// mostNotes is how many notes wait for the server of a realm, and noteTimeout for how long
// somebody waits for it.
const (
	mostNotes   = 1000
	noteTimeout = 5 * time.Second
)

// Server is what notes are sent to.
type Server interface {
	NoteVerification(ctx context.Context, n provider.VerifyNote) error
}

// Noted is where a note has gone. The zero value is nowhere.
type Noted int

// The places.
const (
	NotNoted   Noted = iota
	NotedNow         // it is in the realm's audit log
	NotedLater       // it is kept here until a server answers
)

// Note has the realm's audit log say what came of a call of the account with that person; away
// tells that no server answers, so that none is asked.
func (d *Desk) Note(ctx context.Context, s Server, account uuid.UUID, with Person, event provider.VerifyEvent, away bool) Noted {
	err := provider.ErrOffline
	if !away {
		err = d.now(ctx, s, account, with, event)
	}
	switch {
	case err == nil:
		return NotedNow
	case errors.Is(err, provider.ErrNoteRefused), errors.Is(err, provider.ErrNoteOlder), errors.Is(err, identity.ErrNotFound):
		d.o.Log.WarnContext(ctx, "a verification is not in the realm's audit log", "account", account, "error", err)
		return NotNoted
	}
	dropped, kept := d.o.Cache.AddVerifyNote(context.WithoutCancel(ctx), d.o.Realm, cache.VerifyNote{Account: account, Realm: with.Realm, ID: with.ID, Event: int(event), Made: d.o.Now()}, mostNotes)
	if kept != nil {
		d.o.Log.ErrorContext(ctx, "a verification is not in the realm's audit log, and cannot be kept for it", "account", account, "error", errors.Join(err, kept))
		return NotNoted
	}
	if dropped {
		d.o.Log.WarnContext(ctx, "too many verifications wait for the realm's audit log: the oldest was dropped", "most", mostNotes)
	}
	d.waits.Store(true)
	d.o.Log.InfoContext(ctx, "a verification waits for the realm's audit log", "account", account, "error", err)
	return NotedLater
}

func (d *Desk) now(ctx context.Context, s Server, account uuid.UUID, with Person, event provider.VerifyEvent) error {
	ctx, end := context.WithTimeout(ctx, noteTimeout)
	defer end()
	name, err := d.o.Name(account)
	if err != nil {
		return err
	}
	return s.NoteVerification(ctx, provider.VerifyNote{Account: string(name), ID: with.ID, Realm: with.Realm, Event: event}) //nolint:wrapcheck // the caller logs it
}

// Waits tells whether notes may wait that the server may take. began: it has just begun to
// answer, and may be of another release than before.
func (d *Desk) Waits(began bool) bool {
	if began {
		d.waits.Store(true)
	}
	return d.waits.Load()
}

// SendLate sends what waits for the server, the oldest first, until one note is not taken. It
// is to be called where [Desk.Waits], each time the server shows that it is there. Where notes
// are being sent already it does nothing.
func (d *Desk) SendLate(ctx context.Context, s Server) {
	if !d.sending.TryLock() {
		return
	}
	defer d.sending.Unlock()
	for ctx.Err() == nil {
		d.waits.Store(false) // before it is looked: what is kept from now on sets it again
		n, err := d.o.Cache.NextVerifyNote(ctx, d.o.Realm)
		if errors.Is(err, identity.ErrNotFound) {
			return
		}
		if err == nil {
			err = d.sendLate(ctx, s, n)
		}
		if err == nil {
			d.why = ""
			continue
		}
		if !errors.Is(err, provider.ErrNoteOlder) {
			d.waits.Store(true)
		}
		if why := err.Error(); why != d.why { // it is tried with each sign of life
			d.why = why
			d.o.Log.InfoContext(ctx, "verifications still wait for the realm's audit log", "error", err)
		}
		return
	}
}

// sendLate sends one note. It is deleted once the server took it, or never will.
func (d *Desk) sendLate(ctx context.Context, s Server, n cache.VerifyNote) error {
	name, err := d.o.Name(n.Account)
	if err == nil {
		call, end := context.WithTimeout(ctx, noteTimeout)
		defer end()
		err = s.NoteVerification(call, provider.VerifyNote{Account: string(name), ID: n.ID, Realm: n.Realm, Event: provider.VerifyEvent(n.Event), Made: n.Made})
	}
	switch {
	case errors.Is(err, provider.ErrNoteRefused), errors.Is(err, identity.ErrNotFound):
		d.o.Log.WarnContext(ctx, "a verification is not in the realm's audit log: the note of it is dropped", "account", n.Account, "with", n.ID, "made", n.Made, "error", err)
	case err != nil:
		return err //nolint:wrapcheck // the caller logs it
	}
	return d.o.Cache.DeleteVerifyNote(ctx, n.Seq) //nolint:wrapcheck // it says what it is about
}
