package seal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

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
	if _, err := new(seal.File).HMAC(context.Background(), nil); !errors.Is(err, seal.ErrKeyFile) {
		t.Fatal(err)
	}
}

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
