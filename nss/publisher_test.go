package nss_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// firstUID is that of the first account of a town.
const firstUID = 1879048192

// town is a directory of n people in one group besides their own.
type town struct {
	mu       sync.Mutex
	n        int
	rev      identity.Revisions
	standing identity.DirectoryStanding
	err      error
	takes    time.Duration // how long a view takes to be made
	changed  chan struct{}
}

func newTown(n int) *town {
	return &town{n: n, changed: make(chan struct{}, 1), standing: identity.DirectoryStanding{Until: identity.Forever()}}
}

func (w *town) View(context.Context) (identity.View, error) {
	w.mu.Lock()
	n, err, takes := w.n, w.err, w.takes
	w.mu.Unlock()
	if takes > 0 {
		time.Sleep(takes) // of a bubble's own clock
	}
	return people(n), err
}

func (w *town) DirectoryStanding() identity.DirectoryStanding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.standing
}

func (w *town) Revisions() identity.Revisions {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rev
}

func (w *town) Changed() <-chan struct{} { return w.changed }

func (w *town) change(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *town) arrive() { w.change(func() { w.n++; w.rev.Content++ }) }
func (w *town) leave()  { w.change(func() { w.n--; w.rev.Content++; w.rev.Urgent++ }) }
func (w *town) stand(s identity.DirectoryStanding) {
	w.change(func() { w.standing = s; w.rev.Standing++ })
}

// people is a view of that many.
type people int

func nameOf(i int) string { return fmt.Sprintf("person-%06d", i) }

func (n people) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		for i := range int(n) {
			id := uint32(firstUID + i)
			l := identity.Listed{Account: identity.Account{
				UUID: uuid.New(), Name: identity.Name(nameOf(i)), UID: id, GID: id, FullName: "Somebody", Home: "/home/" + nameOf(i), Shell: "/bin/sh",
			}, GroupIDs: identity.GroupIDs{GIDs: []uint32{id, firstUID + 1_000_000}}}
			if !yield(&l) {
				return
			}
		}
	}
}

func (n people) Groups() iter.Seq[identity.ListedGroup] {
	return func(yield func(identity.ListedGroup) bool) {
		for i := range int(n) {
			if !yield(identity.ListedGroup{Group: identity.Group{Name: identity.Name(nameOf(i)), GID: uint32(firstUID + i)}}) {
				return
			}
		}
		if n > 0 {
			yield(identity.ListedGroup{Group: identity.Group{Name: "town", GID: firstUID + 1_000_000}})
		}
	}
}

// records keeps what Published was told.
type records struct {
	mu  sync.Mutex
	all []nss.Published
}

func (r *records) add(p nss.Published) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, p)
}

func (r *records) get() []nss.Published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// publish runs a publisher until the test, or what is returned, ends it.
func publish(t *testing.T, s nss.Source, dir string) (told *records, end func()) {
	t.Helper()
	told = &records{}
	p := &nss.Publisher{Source: s, Dir: dir, Realms: []snapshot.Realm{{Name: "example"}}, Aliases: true, Log: slog.New(slog.DiscardHandler), Published: told.add}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return told, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the publisher ended: %v", err)
		}
	})
}

// published opens the file in force and checks it whole.
func published(t *testing.T, dir string) *snapshot.Reader {
	t.Helper()
	r, err := snapshot.Open(filepath.Join(dir, "directory"))
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		t.Fatalf("the file in force: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func accounts(t *testing.T, dir string) int { t.Helper(); return published(t, dir).Info().Accounts }

func onlyTheFile(t *testing.T, dir string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Name() != "directory" {
		t.Errorf("in the folder: %v", found)
	}
}

// Promise snapshot-prompt.
func TestAChangeIsInTheFileWithinTwoTenthsOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(3), t.TempDir()
		w.takes = 20 * time.Millisecond
		_, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		old := published(t, dir)
		w.arrive()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if n := accounts(t, dir); n != 4 {
			t.Errorf("%d accounts", n)
		}
		if !old.Superseded() {
			t.Error("who had the old file mapped does not know")
		}
		info, err := os.Stat(filepath.Join(dir, "directory"))
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("the file's mode: %v %v", info, err)
		}
		end()
		onlyTheFile(t, dir)
	})
}

// Promise snapshot-prompt.
func TestABurstOfChangesMakesAHandfulOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(0), t.TempDir()
		w.takes = 30 * time.Millisecond
		told, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		before := len(told.get())
		for range 1000 { // in one second
			w.arrive()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if n := len(told.get()) - before; n > 12 || n < 5 {
			t.Errorf("%d files", n)
		}
		if n := accounts(t, dir); n != 1000 {
			t.Errorf("the last one has %d accounts", n)
		}
		end()
	})
}

// Promise snapshot-prompt.
func TestALargeDirectoryTakesAThirdOfOneProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(1), t.TempDir()
		w.takes = 900 * time.Millisecond
		told, end := publish(t, w, dir)
		for range 600 { // a minute
			w.arrive()
			time.Sleep(100 * time.Millisecond)
		}
		var busy time.Duration
		for _, p := range told.get() {
			busy += p.Took
		}
		if busy > 22*time.Second || busy < 15*time.Second {
			t.Errorf("busy for %v of a minute", busy)
		}
		end()
	})
}

// Promise snapshot-prompt.
func TestWhatIsUrgentWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(5), t.TempDir()
		_, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		for want := 4; want > 0; want-- { // one after the other, without a tick of the clock
			w.leave()
			synctest.Wait()
			if n := accounts(t, dir); n != want {
				t.Fatalf("%d accounts, want %d", n, want)
			}
		}
		w.arrive()
		synctest.Wait()
		if n := accounts(t, dir); n != 1 {
			t.Errorf("what is not urgent was not gathered: %d accounts", n)
		}
		w.leave()
		w.leave()
		synctest.Wait()
		if n := accounts(t, dir); n != 0 {
			t.Errorf("what is urgent waited for what was gathered: %d accounts", n)
		}
		end()
	})
}

func TestWhatIsUrgentWhileAFileIsWrittenComesRightAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(5), t.TempDir()
		w.takes = time.Second
		_, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		w.arrive()
		time.Sleep(500 * time.Millisecond) // its view is taken
		w.leave()
		w.leave()
		time.Sleep(1600 * time.Millisecond)
		synctest.Wait()
		if n := accounts(t, dir); n != 4 {
			t.Errorf("%d accounts", n)
		}
		end()
	})
}
