package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/passwords"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// changeTo changes alice's password as a machine does.
func (b *bench) changeTo(old, code, fresh string) (answer, error) {
	b.t.Helper()
	secret := func(s string) identity.Secret { return identity.NewSecret([]byte(s)) }
	return b.changePassword(b.t.Context(), machineAsClient(b.box), "alice", "host 192.0.2.1", secret(old), secret(code), secret(fresh))
}

func (b *bench) rules(req *v1.SetRealmRequest) {
	b.t.Helper()
	b.must(b.admin.SetRealm(b.t.Context(), req))
}

func refused(err error, why string) bool {
	var r passwords.RefusalError
	return errors.As(err, &r) && strings.Contains(string(r), why)
}

// Promise password-rules.
func TestABadPasswordIsRefusedWhereverItIsSet(t *testing.T) {
	b := newBench(t)
	b.must(b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", FullName: proto.String("Alice Liddell")}))
	b.rules(&v1.SetRealmRequest{PasswordMinLength: proto.Uint32(10)})
	for fresh, why := range map[string]string{
		"tR4v!x9qz":     "at least 10 characters",
		"Password123!":  "common",
		"liddell12345":  "name",
		"Example.org/1": "name",
		"a\x01bcdqxvzt": "cannot be used",
	} {
		if _, err := b.changeTo(right, "", fresh); !refused(err, why) {
			t.Errorf("%q by its owner: %v", fresh, err)
		}
		_, err := b.admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte(fresh)})
		if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "Choose another") {
			t.Errorf("%q by an administrator: %v", fresh, err)
		}
	}
	if !b.try("alice", right).allow {
		t.Error("the old password is gone")
	}
}

// Promise password-history.
func TestAPasswordIsNotUsedAgainForAsLongAsTheRealmSays(t *testing.T) {
	b := newBench(t)
	b.rules(&v1.SetRealmRequest{PasswordHistory: proto.Uint32(3)})
	word := func(n int) string { return fmt.Sprintf("%d. correct horse", n) }
	b.password("alice", word(1))
	b.password("alice", word(2))
	change := func(from, to int) error {
		a, err := b.changeTo(word(from), "", word(to))
		if err == nil && !a.allow {
			err = errors.New("denied")
		}
		return err
	}
	b.must(nil, change(2, 3))
	if err := change(3, 1); !refused(err, "used for this account before") {
		t.Errorf("its owner takes the password before the last: %v", err)
	}
	if _, err := b.admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte(word(3))}); err == nil || !strings.Contains(err.Error(), "before") {
		t.Errorf("an administrator sets the password of now: %v", err)
	}
	b.must(nil, change(3, 4))
	b.must(nil, change(4, 1))
	before := b.hasher.computed.Load()
	b.must(nil, change(1, 5))
	if n := b.hasher.computed.Load() - before; n != 1+3+1 {
		t.Errorf("a change with three remembered took %d hashes", n)
	}
	b.must(b.admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "carol", Password: []byte(word(5))})) // another's is not hers
	if _, err := b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{PasswordHistory: proto.Uint32(passwords.MaxHistory + 1)}); err == nil {
		t.Error("a history without bound")
	}
}

// Promise password-history.
func TestOldPasswordsAreToldOnlyToWhoProvesTheCode(t *testing.T) {
	b := newBench(t)
	b.totp()
	b.rules(&v1.SetRealmRequest{PasswordHistory: proto.Uint32(3)})
	b.password("alice", "another long one")
	if a, err := b.changeTo("another long one", "000000", right); err != nil || a.allow {
		t.Errorf("with a wrong code: %v, %v", a, err)
	}
	if _, err := b.changeTo("another long one", b.code(0), right); !refused(err, "before") {
		t.Errorf("with the code: %v", err)
	}
	// The code is not used by a refusal.
	if a, err := b.changeTo("another long one", b.code(0), "a third long one"); err != nil || !a.allow {
		t.Errorf("the code is spent: %v, %v", a, err)
	}
}

// Promise password-list.
func TestRealmShowTellsWhichListHolds(t *testing.T) {
	b := newBench(t)
	list := filepath.Join(t.TempDir(), "list")
	b.common = passwords.Open(list)
	view, err := b.admin.ShowRealm(t.Context(), &v1.ShowRealmRequest{})
	b.must(nil, err)
	if view.GetCommonPasswordsFile() != list || view.GetCommonPasswordsFault() == "" || view.GetCommonPasswords() < 500 || view.GetPasswordMinLength() != 8 {
		t.Errorf("without the file: %v", view)
	}
	b.must(nil, os.WriteFile(list, []byte("wonderland rabbit\n"), 0o600))
	if view, err = b.admin.ShowRealm(t.Context(), &v1.ShowRealmRequest{}); err != nil || view.GetCommonPasswordsFault() != "" || view.GetCommonPasswords() != 1 {
		t.Errorf("with the file: %v, %v", view, err)
	}
	if _, err := b.changeTo(right, "", "wonderland rabbit"); !refused(err, "common") {
		t.Errorf("a password of the file: %v", err)
	}
}

// Promise password-day.
func TestTheDayOfAPasswordIsTheRealms(t *testing.T) {
	b := newBench(t)
	b.rules(&v1.SetRealmRequest{PasswordMaxAge: proto.Uint32(1)})
	b.unix.Add(7 * 24 * 3600)
	b.password("alice", "another long one")
	b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err != nil {
			return err
		}
		p, err := tx.Password(a.UUID)
		if want := b.unix.Load() + 24*3600; p.ChangeBy != want {
			t.Errorf("to be changed by %d, want %d", p.ChangeBy, want)
		}
		return err
	}))
}
