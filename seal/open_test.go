package seal_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/swtpm"
)

// The table at the top of the package, with every condition of the TPM.
// Promise seal-no-silent-choice.
func TestTheChoiceOfSealerFollowsItsTable(t *testing.T) {
	const (
		file    = "file"
		tpm     = "tpm"
		waiting = "tpm that gives nothing"
		moved   = "tpm, and the file is gone"
	)
	type row struct{ works, off, none, other any }
	for lies, kinds := range map[string]map[string]row{
		"nothing": {
			seal.KindFile: {file, file, file, file},
			seal.KindAuto: {tpm, file, file, tpm},
			seal.KindTPM:  {tpm, seal.ErrTPM, seal.ErrNoTPM, tpm},
		},
		"seal.key": {
			seal.KindFile: {file, file, file, file},
			seal.KindAuto: {file, file, file, file},
			seal.KindTPM:  {moved, seal.ErrTPM, seal.ErrNoTPM, moved},
		},
		"seal.tpm": {
			seal.KindFile: {seal.ErrKind, seal.ErrKind, seal.ErrKind, seal.ErrKind},
			seal.KindAuto: {tpm, waiting, waiting, waiting},
			seal.KindTPM:  {tpm, seal.ErrTPM, seal.ErrNoTPM, seal.ErrOtherTPM},
		},
		"seal.key seal.tpm": {
			seal.KindFile: {seal.ErrKind, seal.ErrKind, seal.ErrKind, seal.ErrKind},
			seal.KindAuto: {moved, waiting, waiting, waiting},
			seal.KindTPM:  {moved, seal.ErrTPM, seal.ErrNoTPM, seal.ErrOtherTPM},
		},
	} {
		for kind, r := range kinds {
			for condition, want := range map[string]any{"works": r.works, "off": r.off, "none": r.none, "other": r.other} {
				t.Run(fmt.Sprintf("%s/%s/%s", lies, kind, condition), func(t *testing.T) {
					dir, s := prepared(t, lies)
					switch condition {
					case "off":
						s.Off()
					case "none":
						if err := os.Remove(s.Device); err != nil {
							t.Fatal(err)
						}
						s.Off()
					case "other":
						s.Clear()
					}
					before := names(t, dir)
					c, err := try(kind, dir, s)
					if err != nil {
						if e, ok := want.(error); !ok || !errors.Is(err, e) {
							t.Fatalf("%v, want %v", err, want)
						}
						if after := names(t, dir); after != before {
							t.Errorf("it failed and changed %q to %q", before, after)
						}
						return
					}
					defer c.Close()
					if c.Detail == "" {
						t.Error("it does not say why")
					}
					got := c.Sealer.Kind()
					_, err = c.Sealer.HMAC(context.Background(), nil)
					switch after := names(t, dir); {
					case err != nil:
						got = waiting
					case got == "tpm" && strings.Contains(before, "seal.key") && after == "seal.tpm":
						got = moved
					}
					if got != want {
						t.Errorf("%s (%v), want %v", got, err, want)
					}
				})
			}
		}
	}
}

// prepared is a state folder with those files, made as the package makes them.
func prepared(t *testing.T, lies string) (string, *swtpm.TPM) {
	t.Helper()
	dir, s := t.TempDir(), swtpm.New(t)
	if strings.Contains(lies, "seal.key") {
		file(t, dir)
	}
	if strings.Contains(lies, "seal.tpm") {
		key, _ := os.ReadFile(filepath.Join(dir, "seal.key"))
		if err := open(t, seal.KindTPM, dir, s).Close(); err != nil {
			t.Fatal(err)
		}
		if key != nil { // as if the move had been interrupted
			put(t, filepath.Join(dir, "seal.key"), key)
		}
	}
	return dir, s
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestAKindThatIsNoneIsRefused(t *testing.T) {
	if _, err := seal.Open(context.Background(), seal.Options{Dir: t.TempDir(), Kind: "TPM"}); !errors.Is(err, seal.ErrKind) {
		t.Errorf("%v, want ErrKind", err)
	}
}

// before is what a machine with a key file has sealed.
type before struct{ mac, sealed []byte }

func sealedBefore(t *testing.T, dir string) before {
	t.Helper()
	f := file(t, dir)
	m, err := f.HMAC(context.Background(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	return before{m, sealedTo(t, &seal.Choice{Sealer: f})}
}

// counts sees that what was sealed before is still of use, and of which key it is.
func (b before) counts(t *testing.T, c *seal.Choice, want seal.Match) {
	t.Helper()
	if got, err := seal.Verify(context.Background(), c.Sealer, []byte("x"), b.mac); err != nil || got != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err := seal.Verify(context.Background(), c.Sealer, []byte("y"), b.mac); err != nil || got != seal.NoMatch {
		t.Errorf("other data: %v, %v", got, err)
	}
	if got, err := c.Sealer.Open(context.Background(), []byte("info"), b.sealed); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

// Promise seal-move.
func TestMovingToTheTPMKeepsWhatWasSealedAndGetsRidOfTheFile(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	b := sealedBefore(t, dir)
	path := filepath.Join(dir, "seal.key")
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A second name shows what is on the disk once the first is gone.
	if err := os.Link(path, filepath.Join(dir, "block")); err != nil {
		t.Fatal(err)
	}
	auto := open(t, seal.KindAuto, dir, s)
	if auto.Mend == "" {
		t.Error("nobody is told that the TPM could be used")
	}
	b.counts(t, auto, seal.Matches)
	before := keyID(t, auto)
	start := time.Now().Add(-time.Second)
	for range 2 { // the second is a restart
		c := open(t, seal.KindTPM, dir, s)
		b.counts(t, c, seal.MatchesFormer)
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
		if own := keyID(t, c); bytes.Equal(own, before) || lost(c, own) || lost(c, before) || lost(c, nil) || !lost(c, make([]byte, seal.KeyIDLen)) {
			t.Error("it does not know its own key and the one before from all others")
		}
		m := mac(t, c, "x")
		if got, err := seal.Verify(context.Background(), c.Sealer, []byte("x"), m); err != nil || got != seal.Matches {
			t.Errorf("its own: %v, %v", got, err)
		}
		if bytes.Equal(m, b.mac) {
			t.Error("the key is the old one in a new place")
		}
		if !seal.MadeBefore(c.Sealer, start) || seal.MadeBefore(c.Sealer, time.Now().Add(time.Hour)) {
			t.Error("it does not know what was made before the move")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadFile(filepath.Join(dir, "block")); err != nil || bytes.Contains(left, key[:4]) {
		t.Errorf("the disk still has the key: %v", err)
	}
	if blob, err := os.ReadFile(filepath.Join(dir, "seal.tpm")); err != nil || bytes.Contains(blob, key[:8]) {
		t.Errorf("the key is in seal.tpm: %v", err)
	}
	if seal.MadeBefore(open(t, seal.KindTPM, t.TempDir(), swtpm.New(t)).Sealer, time.Time{}) {
		t.Error("a machine that never moved has something of before")
	}
}

func keyID(t *testing.T, c *seal.Choice) []byte {
	t.Helper()
	id, err := seal.KeyID(context.Background(), c.Sealer)
	if err != nil || len(id) != seal.KeyIDLen {
		t.Fatalf("%x, %v", id, err)
	}
	return id
}

func lost(c *seal.Choice, id []byte) bool { return seal.Lost(context.Background(), c.Sealer, id) }

// Promise seal-named-key.
func TestAKeyIsLostOnceAnotherTookItsPlace(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	c := open(t, seal.KindAuto, dir, s)
	was := keyID(t, c)
	if lost(c, was) {
		t.Error("its own")
	}
	s.Clear()
	if lost(c, was) {
		t.Error("the key may come back with its TPM, and nothing can be checked meanwhile")
	}
	if err := os.Remove(filepath.Join(dir, "seal.tpm")); err != nil {
		t.Fatal(err)
	}
	if c = open(t, seal.KindAuto, dir, s); !lost(c, was) {
		t.Error("a key of the TPM before")
	}
	f := open(t, seal.KindFile, t.TempDir(), s)
	if !lost(f, was) || lost(f, keyID(t, f)) {
		t.Error("a file")
	}
}

func TestAKeyFileThatIsNotWhatWasMovedIsLeftAlone(t *testing.T) {
	dir, s := prepared(t, "seal.tpm")
	key := bytes.Repeat([]byte{9}, seal.KeyLen)
	put(t, filepath.Join(dir, "seal.key"), key)
	c := open(t, seal.KindAuto, dir, s)
	if got, err := os.ReadFile(filepath.Join(dir, "seal.key")); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	if c.Sealer.Kind() != "tpm" || c.Mend == "" {
		t.Errorf("%s, %q", c.Sealer.Kind(), c.Mend)
	}
}

// Promise seal-kill.
func TestAMoveThatWasCutOffWhileItOverwroteTheFileIsFinished(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	b := sealedBefore(t, dir)
	if err := open(t, seal.KindTPM, dir, s).Close(); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "seal.key"), make([]byte, seal.KeyLen))
	b.counts(t, open(t, seal.KindAuto, dir, s), seal.MatchesFormer)
	if got := names(t, dir); got != "seal.tpm" {
		t.Error(got)
	}
}

// The other process of the test below.
const victim = "SALLYPORT_TEST_SEAL"

func TestMain(m *testing.M) {
	if dir, device, ok := strings.Cut(os.Getenv(victim), "|"); ok {
		_, err := seal.Open(context.Background(), seal.Options{Dir: dir, Kind: seal.KindTPM, Device: device})
		fmt.Println("done", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Promise seal-kill.
func TestAMachineThatIsKilledWhileItSealsIsUsableAfterwards(t *testing.T) {
	for _, moving := range []bool{false, true} {
		t.Run(fmt.Sprintf("moving %v", moving), func(t *testing.T) {
			for at := 1; ; at++ {
				if !killedAt(t, at, moving) {
					if at < 10 {
						t.Fatalf("only %d commands were seen", at)
					}
					return
				}
			}
		})
	}
}

// killedAt kills another process before its nth command to the TPM, and tells
// whether there was one.
func killedAt(t *testing.T, at int, moving bool) bool {
	t.Helper()
	dir, s := t.TempDir(), swtpm.New(t)
	var b before
	if moving {
		b = sealedBefore(t, dir)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+dir+"|"+s.Device)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Before(func(n int) {
		if n == at {
			_ = cmd.Process.Kill()
		}
	})
	said, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Wait()
	if said != "" && said != "done <nil>\n" {
		t.Fatalf("%d: %s", at, said)
	}
	s.Before(nil)
	if moving { // as it is before it is tried again
		c := open(t, seal.KindAuto, dir, s)
		want := seal.Matches
		if c.Sealer.Kind() == seal.KindTPM {
			want = seal.MatchesFormer
		}
		b.counts(t, c, want)
		_ = c.Close()
	}
	c := open(t, seal.KindTPM, dir, s)
	mac(t, c, "x")
	if moving {
		b.counts(t, c, seal.MatchesFormer)
	}
	if got := strings.Fields(names(t, dir)); got[len(got)-1] != "seal.tpm" || strings.Contains(strings.Join(got, " "), "seal.key") {
		t.Errorf("%d: %v", at, got)
	}
	_ = c.Close()
	return said == ""
}
