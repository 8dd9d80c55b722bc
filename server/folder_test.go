package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/server/servertest"
)

func TestTheFolderIsReadableByItsOwnerOnly(t *testing.T) {
	b := servertest.New(t)
	b.TOTP()
	err := filepath.Walk(string(b.Dir), func(path string, info os.FileInfo, err error) error {
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
			if strings.Contains(string(content), servertest.TOTPKey) || strings.Contains(string(content), servertest.Right) {
				t.Errorf("%s holds a secret in the clear", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
