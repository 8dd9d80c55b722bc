package cache

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// crashEnv makes the test binary write to the database that it names until it is
// killed. It says each acknowledged number on standard output.
const crashEnv = "SALLYPORT_TEST_CRASH_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := writeForEver(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func writeForEver(path string) error {
	c, err := Open(bg, path, Options{})
	if err != nil {
		return err
	}
	if c.Rebuilt() != "" {
		return fmt.Errorf("damaged: %s", c.Rebuilt())
	}
	k, err := c.Contact(bg, "p")
	if err != nil {
		k = Contact{At: time.Unix(0, 0)}
	}
	for n := k.Position + 1; ; n++ {
		if err := writeOne(c, n); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// writeOne makes one change of each kind. Batches hold two tokens that must
// always have the same revision, and verifiers of even epochs only stay.
func writeOne(c *Cache, n uint64) error {
	a, b := tokenFor("a", 1), tokenFor("b", 2)
	a.Revision, b.Revision = n, n
	a.Keep, b.Keep = nil, nil
	if err := c.PutVerifier(bg, verifierFor(a.UUID, n, "MARK"+strconv.FormatUint(n, 10))); err != nil {
		return err
	}
	if err := c.SetFailures(bg, a.UUID, Failures{Kind: "k", Tally: identity.Tally{Count: uint32(n), Since: time.Unix(0, 0)}}); err != nil {
		return err
	}
	if err := c.UseStep(bg, a.UUID, Epoch{identity.TOTP, 1}, int64(n)); err != nil && !errors.Is(err, ErrUsed) {
		return err // used: the one before was killed right behind this
	}
	given, err := c.SubIDs(bg, "p")
	if err != nil {
		return err
	}
	if err := c.GiveSubIDs(bg, "p", SubIDs{UUID: uuid.New(), Start: uint32(len(given)+2) * identity.SubIDCount}); err != nil {
		return err
	}
	return c.Apply(bg, Batch{Realm: "p", Put: []Put{a, b}, Groups: []Group{groupFor("crew", n)}, Contact: &Contact{Position: n, At: time.Unix(0, 0)}})
}

// Promise 10, otp-once.
func TestKillingTheWriterAnywhereLosesNothingAcknowledged(t *testing.T) {
	const rounds = 200
	dir := t.TempDir()
	path := filepath.Join(dir, "c.db")
	self, err := os.Executable()
	must(t, err)
	var acknowledged uint64
	for range rounds {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range rand.IntN(6) { // then it is somewhere in its next write
			if !lines.Scan() {
				t.Fatal("the writer ended by itself")
			}
			acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64)
			must(t, err)
		}
		must(t, cmd.Process.Kill())
		for lines.Scan() { // what it said before it died counts too
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				acknowledged = n
			}
		}
		_ = cmd.Wait()
		checkAfterCrash(t, path, acknowledged)
	}
	if acknowledged < rounds/2 {
		t.Fatalf("only %d writes were tried", acknowledged)
	}
}

func checkAfterCrash(t *testing.T, path string, acknowledged uint64) {
	t.Helper()
	c := openAt(t, path)
	defer c.Close()
	if c.Rebuilt() != "" {
		t.Fatalf("damaged: %s", c.Rebuilt())
	}
	if acknowledged == 0 {
		return
	}
	k, err := c.Contact(bg, "p")
	must(t, err)
	a, err := c.Token(bg, tokenFor("a", 1).UUID)
	must(t, err)
	b, err := c.Token(bg, tokenFor("b", 2).UUID)
	must(t, err)
	f, err := c.Failures(bg, a.UUID, "k", "")
	must(t, err)
	g, err := c.Groups(bg, "p")
	must(t, err)
	if len(g) != 1 || g[0].Asked.UnixNano() != int64(k.Position) {
		t.Fatalf("position %d, groups %v", k.Position, g)
	}
	if k.Position < acknowledged || a.Revision != k.Position || b.Revision != k.Position || uint64(f.Count) < acknowledged {
		t.Fatalf("acknowledged %d, position %d, revisions %d and %d, count %d", acknowledged, k.Position, a.Revision, b.Revision, f.Count)
	}
	if err := c.UseStep(bg, a.UUID, Epoch{identity.TOTP, 1}, int64(acknowledged)); !errors.Is(err, ErrUsed) {
		t.Fatalf("the code of step %d is taken again: %v", acknowledged, err)
	}
	given, err := c.SubIDs(bg, "p")
	must(t, err)
	if uint64(len(given)) < acknowledged {
		t.Fatalf("acknowledged %d, and %d ranges of subordinate ids are kept", acknowledged, len(given))
	}
	// The verifier of the last whole write was ended by it; at most the next
	// write's is there, and without one no byte of any.
	v, err := c.Verifier(bg, a.UUID, identity.Password)
	if err == nil && v.Epoch != k.Position+1 {
		t.Fatalf("position %d with a verifier of %d", k.Position, v.Epoch)
	}
	if err != nil && inFiles(t, filepath.Dir(path), "MARK") {
		t.Fatal("an ended verifier left bytes")
	}
}
