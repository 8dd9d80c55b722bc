package auth

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// codes gives alice backup codes.
func (b *bench) backupCodes() []string {
	b.t.Helper()
	made, err := b.admin.NewBackupCodes(b.t.Context(), &v1.NameRequest{Name: "alice"})
	b.must(nil, err)
	return made.GetCodes()
}

// withBackup is a login by password and backup code.
func (b *bench) withBackup(code string) answer {
	b.t.Helper()
	return b.send(b.send(b.begin(session{}).cookie, identity.Password, right, false).cookie, identity.BackupCode, code, false)
}

// Promise backup-codes-once.
func TestABackupCodeStandsInForAOneTimeCodeOnce(t *testing.T) {
	b := newBench(t)
	b.totp()
	codes := b.backupCodes()
	if len(codes) != backupCodes || !regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){2}$`).MatchString(codes[0]) {
		t.Fatal(len(codes))
	}
	before := b.epochs()
	if got := b.withBackup(codes[0]); !got.allow {
		t.Fatal(got.reason)
	} else if token, err := b.ring().IDToken(got.id); err != nil || token.Factors[2].Label != "9 left" {
		t.Fatal(token.Factors, err)
	}
	if b.epochs() != before {
		t.Error("using a code changed the epoch of a credential")
	}
	if got := b.withBackup(codes[0]); got.allow || b.failures("alice") != 1 {
		t.Fatal("a used code was taken, or not counted")
	}
	typed := strings.ToUpper(strings.ReplaceAll(codes[1], "-", " "))
	if got := b.withBackup(strings.NewReplacer("0", "O", "1", "i").Replace(typed)); !got.allow {
		t.Fatal("not taken as people type it")
	}
	b.reopen()
	for _, used := range codes[:2] {
		if got := b.withBackup(used); got.allow {
			t.Fatal("a used code was taken after a restart")
		}
	}
	fresh := b.backupCodes()
	if got := b.withBackup(codes[2]); got.allow {
		t.Fatal("a code of the older set was taken")
	}
	for _, c := range fresh {
		if got := b.withBackup(c); !got.allow {
			t.Fatal(got.reason)
		}
	}
	if got := b.try("alice", right); got.said() != "offer totp" {
		t.Fatal("codes are offered that are used up: " + got.said())
	}
}

// epochs of all that alice holds.
func (b *bench) epochs() (s string) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		b.must(nil, err)
		factors, err := tx.Factors(a.UUID)
		for _, f := range factors {
			s += string(f.Kind) + string(rune('0'+f.Epoch%64))
		}
		return err
	}))
	return s
}

// Promise backup-codes-once.
func TestABackupCodeSentTwiceAtOnceLetsOneIn(t *testing.T) {
	b := newBench(t)
	b.totp()
	code := b.backupCodes()[0]
	var cookies []string
	for range 8 {
		cookies = append(cookies, b.try("alice", right).cookie)
	}
	var in atomic.Int32
	var wg sync.WaitGroup
	for _, c := range cookies {
		wg.Go(func() {
			a, err := b.step(context.Background(), machineAsClient(b.box), c, identity.BackupCode, identity.NewSecret([]byte(code)), false)
			if err != nil {
				t.Error(err)
			}
			if a.allow {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Fatalf("%d were let in", in.Load())
	}
}

// Promise backup-codes-once.
func TestACodeThatLedOnIsUsedAlthoughTheLoginWasNotFinished(t *testing.T) {
	b := newBench(t)
	b.totp()
	b.give("alice", b.card("P-256", "card"))
	codes := b.backupCodes()
	a := b.send(b.begin(session{}).cookie, identity.Password, right, true)
	if a = b.send(a.cookie, identity.BackupCode, codes[0], true); a.said() != "offer piv totp" {
		t.Fatal(a.said())
	}
	if got := b.withBackup(codes[0]); got.allow {
		t.Fatal("a backup code that led on was taken again")
	}
	b.must(b.admin.UnlockAccount(t.Context(), &v1.NameRequest{Name: "alice"}))
	a = b.send(b.begin(session{}).cookie, identity.Password, right, true)
	if a = b.send(a.cookie, identity.TOTP, b.code(0), true); a.said() != "offer piv backup-code" {
		t.Fatal(a.said())
	}
	if got := b.both(b.code(0)); got.allow {
		t.Fatal("a one-time code that led on was taken again")
	}
}

// Promise backup-codes-once.
func TestBackupCodesAreOnlyForWhoHoldsAOneTimeCodeAndGoWithIt(t *testing.T) {
	b := newBench(t)
	if _, err := b.admin.NewBackupCodes(t.Context(), &v1.NameRequest{Name: "alice"}); err == nil || !strings.Contains(err.Error(), "one-time code") {
		t.Fatal(err)
	}
	b.totp()
	code := b.backupCodes()[0]
	b.must(b.admin.RemoveTOTP(t.Context(), &v1.NameRequest{Name: "alice"}))
	v, err := b.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "alice"})
	b.must(nil, err)
	if strings.Join(v.GetFactors(), " ") != "password" {
		t.Fatal(v.GetFactors())
	}
	b.totp()
	if got := b.try("alice", right); got.said() != "offer totp" {
		t.Fatal(got.said())
	}
	if got := b.withBackup(code); got.allow {
		t.Fatal("a code of before was taken")
	}
}

// Promise backup-codes-once.
func TestNoBackupCodeLiesInTheDatabase(t *testing.T) {
	b := newBench(t)
	b.totp()
	codes := b.backupCodes()
	b.must(nil, b.Close())
	files, err := filepath.Glob(filepath.Join(string(b.Dir), "sallyport.db*"))
	b.must(nil, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		b.must(nil, err)
		for _, c := range codes {
			if strings.Contains(string(text), c) || strings.Contains(string(text), strings.ReplaceAll(c, "-", "")) {
				t.Fatal("a code is in", f)
			}
		}
	}
	b.open(string(b.Dir))
}

// killedAt names the folder that the child of the next test works in.
const killedAt = "SALLYPORT_TEST_KILLED_AT"

// TestABackupCodeThatLetSomeoneInIsUsedAlsoAfterKill9 has a process of its own let
// someone in, say so and die of SIGKILL in the same breath.
// Promise backup-codes-once.
func TestABackupCodeThatLetSomeoneInIsUsedAlsoAfterKill9(t *testing.T) {
	if folder := os.Getenv(killedAt); folder != "" {
		b := &bench{t: t}
		b.unix.Store(1_800_000_000)
		b.open(folder)
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) (err error) {
			b.box, err = tx.MachineByName("box")
			return err
		}))
		if b.withBackup(os.Getenv(killedAt + "_CODE")).allow {
			_, _ = os.Stdout.WriteString("allowed\n")
		}
		p, err := os.FindProcess(os.Getpid())
		b.must(nil, err)
		b.must(nil, p.Kill())
		select {}
	}
	b := newBench(t)
	b.totp()
	codes := b.backupCodes()
	b.must(nil, b.Close())
	for _, code := range codes[:3] {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestABackupCodeThatLetSomeoneInIsUsedAlsoAfterKill9$")
		child.Env = append(os.Environ(), killedAt+"="+string(b.Dir), killedAt+"_CODE="+code)
		out, err := child.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(out), "allowed") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	b.open(string(b.Dir))
	for _, code := range codes[:3] {
		if got := b.withBackup(code); got.allow {
			t.Fatal("a used code was taken after kill -9")
		}
	}
	if got := b.withBackup(codes[3]); !got.allow {
		t.Fatal(got.reason)
	}
}
