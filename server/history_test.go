package server

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// asForm is a call of a machine that says that it knows that form of tokens.
func asForm(ctx context.Context, forms int) context.Context {
	return context.WithValue(ctx, callerKey{}, caller{forms: forms})
}

// token is alice's, as a machine with that form is given it.
func (b *bench) token(forms int) (t *identity.IDToken) {
	b.t.Helper()
	b.must(nil, b.store.Read(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err != nil {
			return err
		}
		signed, err := b.idToken(asForm(b.t.Context(), forms), tx, a)
		if err != nil {
			return err
		}
		t, err = b.signedHere(tx, signed)
		return err
	}))
	return t
}

func TestACallerOfTheLastReleaseGetsTokensInItsForm(t *testing.T) {
	b := newBench(t)
	for range 2 { // the second time from what is kept
		if old := b.token(0); old.History != uuid.Nil {
			t.Error("a machine of the last release is sent a field that it refuses")
		}
		if now := b.token(formsHistory); now.History == uuid.Nil {
			t.Error("a machine that understands it is not told the history")
		}
	}
}

// histories counts those of that kind.
func (b *bench) histories(kind store.HistoryKind) (n int) {
	b.t.Helper()
	b.must(nil, b.store.Read(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.Histories()
		for _, h := range list {
			if h.Kind == kind {
				n++
			}
		}
		return err
	}))
	return n
}

func TestOnlyASignedTokenProvesALoss(t *testing.T) {
	b := newBench(t)
	b.must(nil, b.realm.begin(t.Context()))
	d := newDirectory(b.realm, nil)
	now := b.token(formsHistory)
	sign := func(s *identity.Signer, history uuid.UUID, revision uint64) []byte {
		t.Helper()
		of := *now
		of.History, of.Revision, of.IssuedAt = history, revision, b.now().Unix()
		signed, err := s.SignIDToken(&of)
		b.must(nil, err)
		return signed
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	b.must(nil, err)
	stranger, err := identity.NewSigner(key)
	b.must(nil, err)
	own := b.signer()
	for what, newest := range map[string][]byte{
		"nothing": nil, "nonsense": []byte("nonsense"),
		"a stranger's token":           sign(stranger, uuid.New(), 1<<60),
		"a token of now":               sign(own, now.History, now.Revision),
		"one of before histories":      sign(own, uuid.Nil, 1<<60),
		"what this realm said earlier": sign(own, now.History, 1),
	} {
		b.must(nil, d.proof(t.Context(), b.box, newest))
		if n := b.histories(store.Lost); n != 0 {
			t.Fatalf("%s is taken for a proof", what)
		}
	}
	lost := sign(own, uuid.New(), 5)
	for range 2 {
		b.must(nil, d.proof(t.Context(), b.box, lost))
		if n := b.histories(store.Lost); n != 1 {
			t.Fatalf("a signed token of a lost history began %d histories", n)
		}
	}
}

func TestABackupOfARunningServerIsWhole(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "backup")
	b.must(nil, Backup(t.Context(), string(b.dir), file, time.Now()))
	info, err := os.Stat(file)
	b.must(nil, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := Backup(t.Context(), string(b.dir), file, time.Now()); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("over another file: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".sallyport-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	b.must(b.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "later"}))
	to := filepath.Join(t.TempDir(), "realm")
	r, err := Restore(t.Context(), RestoreOptions{File: file, Dir: to, Now: time.Now()})
	if err != nil || r.Realm != b.Name || r.Aside != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	b.must(nil, filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if i, err := e.Info(); err != nil || i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, i.Mode(), err)
		}
		return nil
	}))
	b.must(nil, b.Close())
	b.open(to)
	b.must(b.admin.ShowAccount(t.Context(), nameOf("alice")))
	if _, err := b.admin.ShowAccount(t.Context(), nameOf("later")); err == nil {
		t.Error("what was made after the backup is in it")
	}
	b.must(b.admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}))
	if n := b.histories(store.Restored); n != 1 {
		t.Errorf("%d histories began by a restore", n)
	}
}

func TestWhatIsNoBackupIsNotRestored(t *testing.T) {
	b := newBench(t)
	whole := filepath.Join(t.TempDir(), "backup")
	b.must(nil, Backup(t.Context(), string(b.dir), whole, time.Now()))
	good, err := os.ReadFile(whole)
	b.must(nil, err)
	tarred := func(h tar.Header, body string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		h.Size = int64(len(body))
		b.must(nil, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		b.must(nil, err)
		b.must(nil, w.Close())
		return out.Bytes()
	}
	for what, content := range map[string][]byte{
		"nothing": nil, "nonsense": []byte(strings.Repeat("nonsense", 200)), "cut short": good[:len(good)/2],
		"a name outside":    tarred(tar.Header{Typeflag: tar.TypeReg, Name: "../escaped"}, "x"),
		"an absolute name":  tarred(tar.Header{Typeflag: tar.TypeReg, Name: "/tmp/escaped"}, "x"),
		"a link":            tarred(tar.Header{Typeflag: tar.TypeSymlink, Name: "sallyport.db", Linkname: "/etc/passwd"}, ""),
		"a newer form":      tarred(tar.Header{Typeflag: tar.TypeReg, Name: manifestName}, `{"format":9}`),
		"no realm in it":    tarred(tar.Header{Typeflag: tar.TypeReg, Name: manifestName}, `{"format":1}`),
		"a broken manifest": tarred(tar.Header{Typeflag: tar.TypeReg, Name: manifestName}, `{`),
	} {
		file := filepath.Join(t.TempDir(), "backup")
		b.must(nil, os.WriteFile(file, content, 0o600))
		parent := t.TempDir()
		if _, err := Restore(t.Context(), RestoreOptions{File: file, Dir: filepath.Join(parent, "realm"), Now: time.Now()}); err == nil {
			t.Errorf("%s is restored", what)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", what, left, err)
		}
	}
}

// TestAServerSignsItsKeyListAnewAtEachStart: machines that saw a later list take none of a
// lower version, and a folder that was put back does not know what they saw.
func TestAServerSignsItsKeyListAnewAtEachStart(t *testing.T) {
	b := newBench(t)
	file, to := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	b.must(nil, Backup(t.Context(), string(b.dir), file, b.now()))
	b.must(b.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
	seen := b.list.Load().list.Version
	b.must(nil, b.Close())
	b.unix.Add(60)
	b.must(Restore(t.Context(), RestoreOptions{File: file, Dir: to, Now: b.now()}))
	for range 2 {
		b.open(to)
		b.must(nil, b.realm.begin(t.Context()))
		now := b.list.Load().list
		if now.Version <= seen || len(now.Keys) != 1 {
			t.Errorf("version %d with %d keys; a machine saw version %d", now.Version, len(now.Keys), seen)
		}
		seen = now.Version
		b.must(nil, b.Close())
	}
	b.must(nil, os.Remove(filepath.Join(to, "realm.key")))
	b.open(to)
	b.must(nil, b.realm.begin(t.Context()))
	if now := b.list.Load().list.Version; now != seen {
		t.Error("it is signed without the realm key")
	}
}
