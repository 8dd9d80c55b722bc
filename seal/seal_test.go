package seal_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/seal"
)

func TestAKeyFileSealsTheSameAfterItIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	made, err := seal.CreateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := seal.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := made.HMAC(context.Background(), []byte("x"))
	b, err := opened.HMAC(context.Background(), []byte("x"))
	if err != nil || !bytes.Equal(a, b) || len(a) != 32 {
		t.Fatalf("%x and %x, %v", a, b, err)
	}
	if c, _ := opened.HMAC(context.Background(), []byte("y")); bytes.Equal(b, c) {
		t.Fatal("other data, same seal")
	}
}

func TestAKeyIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "seal.key")
	if _, err := seal.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, err := seal.CreateFile(path); !errors.Is(err, os.ErrExist) {
		t.Fatalf("second create: %v, want os.ErrExist", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("the key changed")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestTheZeroFileSealsNothing(t *testing.T) {
	var zero seal.File
	_, err1 := zero.HMAC(context.Background(), nil)
	_, err2 := zero.Public(context.Background())
	_, err3 := zero.Open(context.Background(), nil, nil)
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, seal.ErrKeyFile) {
			t.Fatal(err)
		}
	}
}

// The verifiers of machines that are in use were made with it.
// Promise seal-files.
func TestAKeyFilesMACsAreWhatTheyAlwaysWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(path, bytes.Repeat([]byte{7}, seal.KeyLen), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := seal.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := f.HMAC(context.Background(), []byte("what do ya want for nothing?"))
	if got := hex.EncodeToString(mac); err != nil || got != "37853aff7df2ff1f94e194ad66dd7633e01f2642bdbc02f0b6a1ea7540d2ac0e" {
		t.Errorf("%s, %v", got, err)
	}
	public, err := f.Public(context.Background())
	if got := hex.EncodeToString(public); err != nil || got != "04738e997a99d81edf95cb2d78dd3d1995a729e0e89197556001684e7b28547f663f9ce4faf441ab0e59d12ea44c767d2b36c48c72d9ae68386eeb1de0b3acdb8f" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestMoreThanEverySealerTakesIsRefused(t *testing.T) {
	f := file(t, t.TempDir())
	if _, err := f.HMAC(context.Background(), make([]byte, seal.MaxData)); err != nil {
		t.Error(err)
	}
	if _, err := f.HMAC(context.Background(), make([]byte, seal.MaxData+1)); !errors.Is(err, seal.ErrTooLong) {
		t.Errorf("%v, want ErrTooLong", err)
	}
}

func file(t *testing.T, dir string) *seal.File {
	t.Helper()
	f, err := seal.CreateFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatIsSealedToAMachineOpensThereAndNowhereElse(t *testing.T) {
	opensHereOnly(t, file(t, t.TempDir()), file(t, t.TempDir()))
}

// opensHereOnly is what every sealer owes to identity.SealTo.
func opensHereOnly(t *testing.T, here, elsewhere seal.Sealer) {
	t.Helper()
	ctx, info := context.Background(), []byte("what for")
	public, err := here.Public(ctx)
	if err != nil || len(public) != seal.PublicLen || seal.PublicLen != identity.SealingKeyLen {
		t.Fatalf("%x, %v", public, err)
	}
	sealed, err := identity.SealTo(public, info, identity.NewSecret([]byte("JBSWY3DP")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := here.Open(ctx, info, sealed); err != nil || string(got) != "JBSWY3DP" {
		t.Errorf("%q, %v", got, err)
	}
	refused := func(sentence string, s seal.Sealer, info, sealed []byte) {
		if got, err := s.Open(ctx, info, sealed); !errors.Is(err, seal.ErrSealed) || got != nil {
			t.Errorf("%s: %q, %v, want ErrSealed", sentence, got, err)
		}
	}
	refused("on another machine", elsewhere, info, sealed)
	refused("for another purpose", here, []byte("what else"), sealed)
	refused("nothing", here, info, nil)
	for _, cut := range []int{1, 64, 65, 66, len(sealed) - 1} {
		refused("cut off", here, info, sealed[:cut])
	}
	for at := range sealed {
		changed := bytes.Clone(sealed)
		changed[at] ^= 1
		refused("a bit turned", here, info, changed)
	}
}

// Promise seal-files.
func TestAKeyFileThatCannotBeTrustedIsRefused(t *testing.T) {
	key := bytes.Repeat([]byte{7}, seal.KeyLen)
	for sentence, make := range map[string]func(path string) error{
		"its group may read it": func(p string) error { return errors.Join(os.WriteFile(p, key, 0o600), os.Chmod(p, 0o640)) },
		"others may read it":    func(p string) error { return errors.Join(os.WriteFile(p, key, 0o600), os.Chmod(p, 0o604)) },
		"others may write it":   func(p string) error { return errors.Join(os.WriteFile(p, key, 0o600), os.Chmod(p, 0o602)) },
		"it is short":           func(p string) error { return os.WriteFile(p, key[1:], 0o600) },
		"it is long":            func(p string) error { return os.WriteFile(p, append(key, 1), 0o600) },
		"it is empty":           func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"it belongs to another": func(p string) error { return errors.Join(os.WriteFile(p, key, 0o600), os.Chown(p, 12345, 12345)) },
		"it is a symbolic link": func(p string) error { return errors.Join(os.WriteFile(p+"1", key, 0o600), os.Symlink(p+"1", p)) },
		"it is a folder":        func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seal.key")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := seal.OpenFile(path); !errors.Is(err, seal.ErrKeyFile) {
				t.Fatalf("%v, want ErrKeyFile", err)
			}
		})
	}
}
