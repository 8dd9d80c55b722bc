package seal_test

import (
	"context"
	"testing"

	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/swtpm"
)

// A TPM in software shows what we and the protocol cost, not what a chip does.
func BenchmarkSeal(b *testing.B) {
	ctx := context.Background()
	f, err := seal.Open(ctx, seal.Options{Dir: b.TempDir(), Kind: seal.KindFile})
	if err != nil {
		b.Fatal(err)
	}
	tpm := swtpm.New(b)
	t := open(b, seal.KindTPM, b.TempDir(), tpm)
	for _, c := range []*seal.Choice{f, t} {
		b.Run("HMAC/"+c.Sealer.Kind(), func(b *testing.B) {
			data := make([]byte, 100)
			for b.Loop() {
				if _, err := c.Sealer.HMAC(ctx, data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Open/"+c.Sealer.Kind(), func(b *testing.B) {
			sealed := sealedTo(b, c)
			for b.Loop() {
				if _, err := c.Sealer.Open(ctx, []byte("info"), sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	tpm.Before(nil)
	mac(b, t, "x")
	b.Logf("commands to the TPM for one HMAC: %d", tpm.Commands())
}

// BenchmarkSealTo is the other half, which needs no key of the machine's.
func BenchmarkSealTo(b *testing.B) {
	c, err := seal.Open(context.Background(), seal.Options{Dir: b.TempDir(), Kind: seal.KindFile})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sealedTo(b, c)
	}
}
