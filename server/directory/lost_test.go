package directory

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// formsOfToday is what machines say that know histories.
const formsOfToday = 2

// asForm is a call of a machine that says that it knows that form of tokens.
func asForm(ctx context.Context, forms int) context.Context {
	return realm.WithCaller(ctx, realm.Caller{Forms: forms})
}

// token is alice's, as a machine with that form is given it.
func token(b *servertest.Bench, forms int) (t *identity.IDToken) {
	b.T.Helper()
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err != nil {
			return err
		}
		signed, err := b.IDToken(asForm(b.T.Context(), forms), tx, a)
		if err != nil {
			return err
		}
		t, err = b.SignedHere(tx, signed)
		return err
	}))
	return t
}

// Promise history-proof.
func TestOnlyASignedTokenProvesALoss(t *testing.T) {
	b := servertest.New(t)
	b.Must(nil, b.BeginHistory(t.Context()))
	d := New(b.Realm, nil)
	now := token(b, formsOfToday)
	sign := func(s *identity.Signer, history uuid.UUID, revision uint64) []byte {
		t.Helper()
		of := *now
		of.History, of.Revision, of.IssuedAt = history, revision, b.Now().Unix()
		signed, err := s.SignIDToken(&of)
		b.Must(nil, err)
		return signed
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	b.Must(nil, err)
	stranger, err := identity.NewSigner(key)
	b.Must(nil, err)
	var own *identity.Signer
	b.Must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) (err error) {
		own, err = b.Signer(tx)
		return err
	}))
	for what, newest := range map[string][]byte{
		"nothing": nil, "nonsense": []byte("nonsense"),
		"a stranger's token":           sign(stranger, uuid.New(), 1<<60),
		"a token of now":               sign(own, now.History, now.Revision),
		"one of before histories":      sign(own, uuid.Nil, 1<<60),
		"what this realm said earlier": sign(own, now.History, 1),
	} {
		b.Must(nil, d.proof(t.Context(), b.Box, newest))
		if n := b.Histories(store.Lost); n != 0 {
			t.Fatalf("%s is taken for a proof", what)
		}
	}
	lost := sign(own, uuid.New(), 5)
	for range 2 {
		b.Must(nil, d.proof(t.Context(), b.Box, lost))
		if n := b.Histories(store.Lost); n != 1 {
			t.Fatalf("a signed token of a lost history began %d histories", n)
		}
	}
}
