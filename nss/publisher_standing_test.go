package nss_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// Promise snapshot-absence.
func TestAbsenceIsSaidOnlyWhileSomebodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), t.TempDir()
		told, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		r := published(t, dir)
		if !r.Info().AbsentUntil.IsZero() {
			t.Error("absence is said before the source said it")
		}
		w.stand(identity.DirectoryStanding{Absent: true, Until: identity.Forever()})
		synctest.Wait()
		for range 20 {
			if left := time.Until(r.Info().AbsentUntil); left < 89*time.Second || left > 150*time.Second {
				t.Errorf("absence is said for %v", left)
			}
			time.Sleep(37 * time.Second)
			synctest.Wait()
		}
		until := time.Now().Add(time.Hour)
		w.stand(identity.DirectoryStanding{Until: until})
		synctest.Wait()
		if i := r.Info(); !i.AbsentUntil.IsZero() || i.ValidUntil.Unix() != until.Unix() {
			t.Errorf("after it is over: absent until %v, valid until %v", i.AbsentUntil, i.ValidUntil)
		}
		w.stand(identity.DirectoryStanding{Absent: true, Until: until})
		synctest.Wait()
		end()
		if !r.Info().AbsentUntil.IsZero() {
			t.Error("absence is said after a clean end")
		}
		if n := len(told.get()); n != 1 {
			t.Errorf("%d files for no change", n)
		}
	})
}

// Promise snapshot-absence.
func TestAbsenceIsNotSaidOfAFileThatLacksWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), t.TempDir()
		_, end := publish(t, w, dir)
		time.Sleep(time.Hour)
		r := published(t, dir)
		w.takes = time.Second
		// What was missed while away, and the word that nothing is missing any more.
		w.change(func() {
			w.n, w.rev.Content = 10, w.rev.Content+8
			w.standing.Absent = true
			w.rev.Standing++
		})
		synctest.Wait()
		if !r.Info().AbsentUntil.IsZero() {
			t.Error("the old file says that the new people do not exist")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if i := published(t, dir).Info(); i.Accounts != 10 || i.AbsentUntil.IsZero() {
			t.Errorf("the new file: %+v", i)
		}
		// A file that cannot be written is no authority either.
		w.change(func() { w.err = errors.New("not now"); w.n++; w.rev.Content++ })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if i := published(t, dir).Info(); !i.AbsentUntil.IsZero() {
			t.Error("the file that could not be replaced says that the last one does not exist")
		}
		end()
	})
}

// Promise snapshot-absence.
func TestAFileOfBeforeSaysNothingIsAbsentUntilTheSourceDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), t.TempDir()
		_, end := publish(t, w, dir)
		time.Sleep(time.Second)
		end()
		m, err := snapshot.OpenMarks(filepath.Join(dir, "directory"))
		if err != nil {
			t.Fatal(err)
		}
		m.SetAbsentUntil(time.Now().Add(time.Hour)) // as after kill -9
		old := published(t, dir)
		w.err = errors.New("not yet")
		w.standing = identity.DirectoryStanding{}
		_, end = publish(t, w, dir)
		synctest.Wait()
		if !old.Info().AbsentUntil.IsZero() {
			t.Error("absence is still said")
		}
		end()
	})
}

func TestAFaultKeepsTheOldFileAndIsTriedAgainWithoutARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), t.TempDir()
		told, end := publish(t, w, dir)
		time.Sleep(time.Second)
		fault := errors.New("the database is closed")
		w.change(func() { w.err = fault; w.n++; w.rev.Content++; w.rev.Urgent++ })
		time.Sleep(10 * time.Minute)
		all := told.get()[1:]
		if len(all) < 10 || len(all) > 20 {
			t.Errorf("%d attempts in ten minutes", len(all))
		}
		for _, p := range all {
			if !errors.Is(p.Err, fault) {
				t.Errorf("told %v", p.Err)
			}
		}
		if n := accounts(t, dir); n != 2 {
			t.Errorf("%d accounts", n)
		}
		w.change(func() { w.err = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := accounts(t, dir); n != 3 {
			t.Errorf("when the cause was gone: %d accounts", n)
		}
		end()
		onlyTheFile(t, dir)
	})
}

func TestAFolderThatIsNotThereIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), filepath.Join(t.TempDir(), "later")
		told, end := publish(t, w, dir)
		time.Sleep(time.Minute)
		if all := told.get(); len(all) == 0 || !errors.Is(all[0].Err, os.ErrNotExist) {
			t.Errorf("told %v", all)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := accounts(t, dir); n != 2 {
			t.Errorf("%d accounts", n)
		}
		end()
	})
}

func TestAFileThatSomebodyTookAwayIsPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newTown(2), t.TempDir()
		told, end := publish(t, w, dir)
		time.Sleep(time.Second)
		old := published(t, dir)
		if err := os.Remove(filepath.Join(dir, "directory")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := accounts(t, dir); n != 2 || len(told.get()) != 2 {
			t.Errorf("%d accounts, %d files", n, len(told.get()))
		}
		if !old.Superseded() {
			t.Error("who had the old file mapped does not know")
		}
		end()
		onlyTheFile(t, dir)
	})
}
