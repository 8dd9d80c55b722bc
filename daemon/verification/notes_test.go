package verification_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// log is a server's audit log.
type log struct {
	rows []provider.VerifyNote
	err  error // it takes nothing
	only int   // it takes so many
}

func (l *log) NoteVerification(_ context.Context, n provider.VerifyNote) error {
	switch {
	case l.err != nil:
		return l.err
	case l.only > 0 && len(l.rows) == l.only:
		return provider.ErrOffline
	}
	l.rows = append(l.rows, n)
	return nil
}

func (l *log) events() (all []provider.VerifyEvent) {
	for _, r := range l.rows {
		all = append(all, r.Event)
	}
	return all
}

// Promise verify-noted.
func TestWhatNoServerWasThereForIsInTheAuditLogOnceOneAnswers(t *testing.T) {
	ada, bob, now := two(t)
	with := verification.Person{ID: bob.id}
	l := &log{}
	note := func(e provider.VerifyEvent, away bool, want verification.Noted) {
		t.Helper()
		if got := ada.Note(t.Context(), l, ada.id, with, e, away); got != want {
			t.Errorf("event %d: %v, want %v", e, got, want)
		}
	}
	note(provider.VerifyConfirmed, false, verification.NotedNow)
	if r := l.rows[0]; !r.Made.IsZero() || r.Account != "ada" || r.ID != bob.id {
		t.Errorf("a note of now: %+v", r)
	}
	first := *now
	note(provider.VerifyBegun, true, verification.NotedLater)
	l.err = provider.ErrOffline
	*now = now.Add(time.Hour)
	note(provider.VerifyFailed, false, verification.NotedLater)
	with.Realm = "b.example"
	l.err = provider.RequestError("too many requests within a minute")
	note(provider.VerifyConfirmed, false, verification.NotedLater)
	ada.SendLate(t.Context(), l) // not yet
	if !ada.Waits(false) {
		t.Error("nothing waits while the server is busy")
	}

	// They survive a restart, and what was not taken goes on to wait.
	ada.must(ada.cache.Close())
	var err error
	ada.cache, err = cache.Open(t.Context(), filepath.Join(ada.folder, "cache.db"), cache.Options{})
	ada.must(err)
	ada.restarts(now)
	l.err, l.only = nil, 2
	if !ada.Waits(true) {
		t.Fatal("nothing waits after a restart")
	}
	ada.SendLate(t.Context(), l)
	l.only = 0
	ada.SendLate(t.Context(), l)
	ada.SendLate(t.Context(), l)
	if got := l.events(); fmt.Sprint(got[1:]) != fmt.Sprint([]provider.VerifyEvent{provider.VerifyBegun, provider.VerifyFailed, provider.VerifyConfirmed}) {
		t.Errorf("sent: %v", got)
	}
	if r := l.rows[1]; !r.Made.Equal(first) || r.Realm != "" || l.rows[3].Realm != "b.example" {
		t.Errorf("sent later: %+v", l.rows)
	}
	if ada.Waits(false) {
		t.Error("something waits after all was sent")
	}
}

// Promise verify-noted.
func TestANoteThatNobodyTakesIsDroppedAndOneForLaterIsKept(t *testing.T) {
	ada, bob, _ := two(t)
	l := &log{}
	late := func() {
		t.Helper()
		if got := ada.Note(t.Context(), l, ada.id, verification.Person{ID: bob.id}, provider.VerifyBegun, true); got != verification.NotedLater {
			t.Fatal(got)
		}
	}
	left := func() bool {
		_, err := ada.cache.NextVerifyNote(t.Context(), "example")
		return !errors.Is(err, identity.ErrNotFound)
	}
	late()
	l.err = fmt.Errorf("%w: no event", provider.ErrNoteOlder)
	ada.SendLate(t.Context(), l)
	if !left() || ada.Waits(false) || !ada.Waits(true) {
		t.Error("an older server: it is not kept until another one answers")
	}
	l.err = fmt.Errorf("%w: nobody of that id", provider.ErrNoteRefused)
	ada.SendLate(t.Context(), l)
	if left() {
		t.Error("one that is refused for good is kept")
	}
	if got := ada.Note(t.Context(), l, ada.id, verification.Person{ID: bob.id}, provider.VerifyFailed, false); got != verification.NotNoted || left() {
		t.Errorf("refused at once: %v", got)
	}
	l.err = nil
	if got := ada.Note(t.Context(), l, uuid.New(), verification.Person{ID: bob.id}, provider.VerifyBegun, true); got != verification.NotedLater {
		t.Fatal(got)
	}
	ada.SendLate(t.Context(), l) // of an account that is gone: its name may be another's by now
	if left() || len(l.rows) > 0 {
		t.Errorf("of nobody: %+v", l.rows)
	}
}
