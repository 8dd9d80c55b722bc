package auth

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/server/store"
)

func TestAWeakerHashIsReplacedOnSuccessAndItsEpochStays(t *testing.T) {
	b := newBench(t)
	b.password("alice", right)
	b.hasher = newHasher(owasp, 1)
	held := func() (p store.Password) {
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
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
