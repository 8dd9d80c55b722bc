package backup

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise backup-whole, request-restore.
func TestABackupOfARunningServerIsWhole(t *testing.T) {
	b := servertest.New(t)
	b.TOTP()
	codes, err := b.Admin.NewBackupCodes(t.Context(), servertest.Named("alice"))
	b.Must(nil, err)
	signs := b.Keys().GetSigningKeys()
	grant := uuid.New()
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error {
		return tx.AddRequest(store.Request{ID: grant, Kind: "ssh", State: store.RequestGranted, Asked: b.Now(), Changed: b.Now(), Until: time.Now().Add(time.Hour), Detail: []byte("{}")})
	}))
	file := filepath.Join(t.TempDir(), "backup")
	b.Must(nil, Make(t.Context(), string(b.Dir), file, time.Now()))
	info, err := os.Stat(file)
	b.Must(nil, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := Make(t.Context(), string(b.Dir), file, time.Now()); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("over another file: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".sallyport-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "later"}))
	to := filepath.Join(t.TempDir(), "realm")
	r, err := Restore(t.Context(), RestoreOptions{File: file, Dir: to, Now: time.Now()})
	if err != nil || r.Realm != b.Name || r.Aside != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	b.Must(nil, filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if i, err := e.Info(); err != nil || i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, i.Mode(), err)
		}
		return nil
	}))
	b.Must(nil, b.Close())
	b.Open(to)
	b.Must(b.Admin.ShowAccount(t.Context(), servertest.Named("alice")))
	if b.Settings.Database != "" {
		t.Errorf("what was restored is in %s", b.Settings.Database)
	}
	if now := b.Keys().GetSigningKeys(); len(now) != 1 || now[0] != signs[0] {
		t.Error("the restored realm signs with another key")
	}
	// It may have been ended after the backup.
	if v, err := b.Admin.ShowRequest(t.Context(), &v1.RequestIDRequest{Id: grant.String()}); err != nil || v.GetState() != "ended" || !strings.Contains(v.GetWhy(), "restored") {
		t.Errorf("a grant of before the backup: %v, %v", v, err)
	}
	// Secrets that the seal key holds open.
	after := b.Begin("alice")
	resp, err := b.Engine.Step(b.Call(), &v1.StepRequest{Session: after, Kind: string(identity.Password), Credential: []byte(servertest.Right)})
	b.Must(nil, err)
	resp, err = b.Engine.Step(b.Call(), &v1.StepRequest{Session: resp.GetSession(), Kind: string(identity.BackupCode), Credential: []byte(codes.GetCodes()[0])})
	if err != nil || resp.GetOutcome() != v1.Outcome_OUTCOME_ALLOW {
		t.Errorf("password and backup code after the restore: %v, %v", resp, err)
	}
	if _, err := b.Admin.ShowAccount(t.Context(), servertest.Named("later")); err == nil {
		t.Error("what was made after the backup is in it")
	}
	b.Must(b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}))
	if n := b.Histories(store.Restored); n != 1 {
		t.Errorf("%d histories began by a restore", n)
	}
}

// Promise backup-whole.
func TestWhatIsNoBackupIsNotRestored(t *testing.T) {
	b := servertest.New(t)
	whole := filepath.Join(t.TempDir(), "backup")
	b.Must(nil, Make(t.Context(), string(b.Dir), whole, time.Now()))
	good, err := os.ReadFile(whole)
	b.Must(nil, err)
	tarred := func(h tar.Header, body string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		h.Size = int64(len(body))
		b.Must(nil, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		b.Must(nil, err)
		b.Must(nil, w.Close())
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
		b.Must(nil, os.WriteFile(file, content, 0o600))
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
// Promise history-key-list.
func TestAServerSignsItsKeyListAnewAtEachStart(t *testing.T) {
	b := servertest.New(t)
	file, to := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	b.Must(nil, Make(t.Context(), string(b.Dir), file, b.Now()))
	b.Must(b.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
	seen := b.Keys().GetVersion()
	b.Must(nil, b.Close())
	b.Unix.Add(60)
	b.Must(Restore(t.Context(), RestoreOptions{File: file, Dir: to, Now: b.Now()}))
	for range 2 {
		b.Open(to)
		b.Must(nil, b.BeginHistory(t.Context()))
		now := b.Keys()
		if now.GetVersion() <= seen || len(now.GetSigningKeys()) != 1 {
			t.Errorf("version %d with %d keys; a machine saw version %d", now.GetVersion(), len(now.GetSigningKeys()), seen)
		}
		seen = now.GetVersion()
		b.Must(nil, b.Close())
	}
	b.Must(nil, os.Remove(filepath.Join(to, "realm.key")))
	b.Open(to)
	b.Must(nil, b.BeginHistory(t.Context()))
	if now := b.Keys().GetVersion(); now != seen {
		t.Error("it is signed without the realm key")
	}
}
