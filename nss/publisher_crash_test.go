package nss_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// TestMain runs the test's own children.
func TestMain(m *testing.M) {
	switch dir := os.Getenv("SALLYPORT_TEST_PUBLISH"); {
	case dir != "":
		publishWithoutEnd(dir)
	default:
		os.Exit(m.Run())
	}
}

// publishWithoutEnd is the child: every file has more people than the one before,
// and each one that is in place is printed.
func publishWithoutEnd(dir string) {
	w := newTown(1)
	w.standing.Absent = true
	p := &nss.Publisher{Source: w, Dir: dir, Realms: []snapshot.Realm{{Name: "example"}}, Log: slog.New(slog.DiscardHandler), Published: func(p nss.Published) {
		fmt.Println(p.Stats.Accounts, p.Err)
		if p.Err != nil {
			return // it is tried again by itself
		}
		w.change(func() { w.n = w.n%500 + 1; w.rev.Content++; w.rev.Urgent++ })
	}}
	if err := p.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child starts one and returns what it prints.
func child(t *testing.T, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "SALLYPORT_TEST_PUBLISH="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(out)
}

// Promise snapshot-whole.
func TestAPublisherThatIsKilledAtAnyInstantLeavesAWholeFile(t *testing.T) {
	dir := t.TempDir()
	var old []*snapshot.Reader // all that anyone ever had mapped
	for round := range 200 {
		c, out := child(t, dir)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		pause := time.NewTimer(time.Duration(rand.IntN(int(15 * time.Millisecond)))) // any instant will do
		<-pause.C
		_ = c.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = c.Wait()
		r := published(t, dir)
		if i := r.Info(); i.Accounts < 1 {
			t.Fatalf("round %d: %+v", round, i)
		}
		old = append(old, r)
	}
	// More people than any child has: else the file that was left would do.
	_, end := publish(t, newTown(777), dir)
	waitFor(t, func() error { return want(dir, 777) })
	end()
	onlyTheFile(t, dir)
	for i, r := range old {
		if !r.Superseded() {
			t.Errorf("who mapped the file of round %d was never told of a newer one", i)
		}
	}
}

// TestADiskThatIsFullAtAnyByteKeepsTheOldFile: the kernel lets no file of the
// child grow beyond n bytes.
// Promise snapshot-whole.
func TestADiskThatIsFullAtAnyByteKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	_, end := publish(t, newTown(3), dir)
	waitFor(t, func() error { return want(dir, 3) })
	end()
	old := published(t, dir)
	size := old.Info().Size / 3 // the child's first file has one person
	for _, n := range []uint64{0, 1, 8, 63, 64, 511, 512, 513, 600, uint64(size)} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := exec.CommandContext(t.Context(), "prlimit", fmt.Sprintf("--fsize=%d", n), os.Args[0])
			c.Env = append(os.Environ(), "SALLYPORT_TEST_PUBLISH="+dir)
			pipe, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(pipe).ReadString('\n')
			_ = c.Process.Kill()
			_ = c.Wait()
			if err != nil || !strings.Contains(line, syscall.EFBIG.Error()) {
				t.Errorf("the child said %q, %v", line, err)
			}
			onlyTheFile(t, dir)
			if n := accounts(t, dir); n != 3 || old.Superseded() {
				t.Errorf("%d accounts, superseded: %t", n, old.Superseded())
			}
		})
	}
}

// TestEveryStepThatACrashCanLeaveIsFinished lays out what is there after each.
// Promise snapshot-whole.
func TestEveryStepThatACrashCanLeaveIsFinished(t *testing.T) {
	link := func(t *testing.T, dir, from, to string) {
		t.Helper()
		if err := os.Link(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for name, leave := range map[string]func(t *testing.T, dir string){
		"half a file": func(t *testing.T, dir string) {
			_ = os.WriteFile(filepath.Join(dir, ".directory-1"), []byte("SALLYDIR"), 0o600)
		},
		"the old file has two names": func(t *testing.T, dir string) {
			link(t, dir, "directory", ".directory-2")
			link(t, dir, "directory", "directory.old")
		},
		"the new file is in place, and the old one's readers do not know": func(t *testing.T, dir string) {
			link(t, dir, "directory", "directory.old")
			other := t.TempDir()
			_, end := publish(t, newTown(2), other)
			waitFor(t, func() error { return want(other, 2) })
			end()
			if err := os.Rename(filepath.Join(other, "directory"), filepath.Join(dir, "directory")); err != nil {
				t.Fatal(err)
			}
		},
		"nothing in force": func(t *testing.T, dir string) {
			_ = os.Rename(filepath.Join(dir, "directory"), filepath.Join(dir, "directory.old"))
		},
		"an old file that is none": func(t *testing.T, dir string) {
			_ = os.WriteFile(filepath.Join(dir, "directory.old"), nil, 0o600)
		},
		"a file in force that is none": func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "directory.old"))
			link(t, dir, "directory", "directory.old")
			_ = os.Remove(filepath.Join(dir, "directory"))
			_ = os.WriteFile(filepath.Join(dir, "directory"), []byte("not a snapshot"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, end := publish(t, newTown(1), dir)
			waitFor(t, func() error { return want(dir, 1) })
			end()
			old := published(t, dir)
			leave(t, dir)
			_, end = publish(t, newTown(9), dir)
			waitFor(t, func() error { return want(dir, 9) })
			end()
			onlyTheFile(t, dir)
			if !old.Superseded() {
				t.Error("who mapped the old file does not know of a newer one")
			}
		})
	}
}

// TestReadersNeverSeeAnythingButAWholeFile: many of them, while files come and go.
// Promise snapshot-whole.
func TestReadersNeverSeeAnythingButAWholeFile(t *testing.T) {
	dir := t.TempDir()
	w := newTown(1)
	told, end := publish(t, w, dir)
	waitFor(t, func() error { return want(dir, 1) })
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := snapshot.Open(filepath.Join(dir, "directory"))
				if err == nil {
					_, err = r.AccountByName(nameOf(0))
					err = errors.Join(err, r.Check(), r.Close())
				}
				if err != nil {
					t.Errorf("a reader: %v", err)
					return
				}
			}
		})
	}
	for i := range 100 {
		w.change(func() { w.n++; w.rev.Content++; w.rev.Urgent++ })
		waitFor(t, func() error {
			if n := len(told.get()); n <= i+1 {
				return fmt.Errorf("%d files", n)
			}
			return nil
		})
	}
	close(stop)
	readers.Wait()
	end()
}

func want(dir string, n int) error {
	r, err := snapshot.Open(filepath.Join(dir, "directory"))
	if err != nil {
		return err
	}
	defer r.Close()
	if got := r.Info().Accounts; got != n {
		return fmt.Errorf("%d accounts, want %d", got, n)
	}
	return nil
}

// waitFor asks until there is no error, for ten seconds.
func waitFor(t *testing.T, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

var _ nss.Source = (*town)(nil)

var _ identity.View = people(0)
