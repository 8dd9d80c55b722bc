package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestAWeakerHashIsReplacedOnSuccessAndItsEpochStays(t *testing.T) {
	b := newBench(t)
	b.password("alice", right)
	b.hasher = newHasher(owasp, 1)
	held := func() (p store.Password) {
		b.must(nil, b.store.Read(t.Context(), func(tx *store.Tx) error {
			a, err := tx.AccountByName("alice")
			if err == nil {
				p, err = tx.Password(a.UUID)
			}
			return err
		}))
		return p
	}
	weak := held()
	if b.try("alice", "wrong").allow || held() != weak {
		t.Fatal("a wrong password changed the hash")
	}
	if !b.try("alice", right).allow {
		t.Fatal("refused")
	}
	if now := held(); now.Epoch != weak.Epoch || !strings.Contains(now.PHC, "m=19456,t=2,p=1") {
		t.Fatal(now)
	}
	if !b.try("alice", right).allow {
		t.Fatal("refused after the new hash")
	}
}

func TestASealedSecretOpensOnlyForItsAccount(t *testing.T) {
	b := newBench(t)
	owner := uuid.New()
	sealed := b.engine.box.seal(owner, identity.NewSecret([]byte("secret")))
	if strings.Contains(string(sealed), "secret") {
		t.Fatal("not sealed")
	}
	if got, err := b.engine.box.open(owner, sealed); err != nil || string(got.Reveal()) != "secret" {
		t.Fatal(err)
	}
	if _, err := b.engine.box.open(uuid.New(), sealed); err == nil {
		t.Fatal("opened for another")
	}
}

func TestTheFolderIsReadableByItsOwnerOnly(t *testing.T) {
	b := newBench(t)
	b.totp()
	err := filepath.Walk(string(b.dir), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasPrefix(filepath.Base(path), "sallyport.db") {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if strings.Contains(string(content), totpKey) || strings.Contains(string(content), right) {
				t.Errorf("%s holds a secret in the clear", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyRootAndTheServersOwnUserMayAdminister(t *testing.T) {
	for peer, want := range map[uint32]bool{0: true, 990: true, 1000: false, 65534: false} {
		if mayAdminister(peer, 990) != want {
			t.Errorf("uid %d: want %v", peer, want)
		}
	}
}

func TestWhatCannotBeATokenDoesNotBecomeAnAccount(t *testing.T) {
	b := newBench(t)
	zero, low := uint32(0), uint32(999)
	for sentence, req := range map[string]*v1.AddAccountRequest{
		"upper case":             {Name: "Eve"},
		"a slash":                {Name: "../eve"},
		"a colon in the name":    {Name: "e:ve"},
		"uid zero":               {Name: "eve", Uid: &zero},
		"a system uid":           {Name: "eve", Uid: &low},
		"a colon in the gecos":   {Name: "eve", FullName: "a:b"},
		"a newline in the shell": {Name: "eve", Shell: "/bin/sh\nroot"},
		"a relative home":        {Name: "eve", Home: "home"},
		"a name that is taken":   {Name: "alice"},
	} {
		if _, err := b.admin.AddAccount(t.Context(), req); err == nil {
			t.Errorf("%s was accepted", sentence)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(format(owasp, make([]byte, saltLen), make([]byte, hashLen)))
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=0,p=0$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, salt, sum, err := parsePHC(s)
		if err == nil && (p.time == 0 || p.lanes == 0 || p.memory > 1<<20 || len(salt) < 8 || len(sum) < 16) {
			t.Fatal(p, salt, sum)
		}
	})
}

func FuzzParseTOTP(f *testing.F) {
	f.Add([]byte(totpKey))
	f.Add([]byte("jbsw y3dp ehpk 3pxp"))
	f.Add([]byte("!!!!!!!!!!!!!!!!!!!!"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseTOTP(b); err == nil && (s.Len() < 16 || s.Len() > 256) {
			t.Fatal(s.Len())
		}
	})
}
