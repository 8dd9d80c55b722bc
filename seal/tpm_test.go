package seal_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/sallyport-auth/sallyport/seal"
)

func TestATPMSealsTheSameAfterItIsOpenedAgain(t *testing.T) {
	dir, s := t.TempDir(), newTPM(t)
	one := open(t, seal.KindTPM, dir, s)
	a, err := one.Sealer.HMAC(context.Background(), []byte("x"))
	if err != nil || len(a) != 32 || one.Sealer.Kind() != "tpm" {
		t.Fatalf("%x, %v", a, err)
	}
	p, _ := one.Sealer.Public(context.Background())
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two := open(t, seal.KindTPM, dir, s)
	b, err := two.Sealer.HMAC(context.Background(), []byte("x"))
	if err != nil || !bytes.Equal(a, b) {
		t.Fatalf("%x and %x, %v", a, b, err)
	}
	if q, _ := two.Sealer.Public(context.Background()); !bytes.Equal(p, q) {
		t.Fatal("another public key")
	}
	if c, _ := two.Sealer.HMAC(context.Background(), []byte("y")); bytes.Equal(b, c) {
		t.Fatal("other data, same seal")
	}
}

func TestWhatIsSealedToATPMOpensThereAndNowhereElse(t *testing.T) {
	here := open(t, seal.KindTPM, t.TempDir(), newTPM(t))
	there := open(t, seal.KindTPM, t.TempDir(), newTPM(t))
	opensHereOnly(t, here.Sealer, there.Sealer)
}
