// Package keyfile reads secrets out of files, on workstations and servers alike: keys
// in PKCS #8 and PEM (RFC 5958, RFC 7468), and tokens. It promises that nothing is read
// from a file that others than its owner could read, and that no error shows what is
// in one. It knows no place: who asks names the path.
package keyfile

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Read reads a private key that can sign.
func Read(path string) (crypto.Signer, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ReadSecret reads a file that only its owner can read. Wiping it is the caller's.
func ReadSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the path, and the caller says what it was for
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others could read it; chmod 0600 it", path, info.Mode().Perm())
	}
	return os.ReadFile(path) //nolint:wrapcheck // the same
}

// Parse reads the first PEM block of a text as a private key.
func Parse(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no PKCS #8 private key in PEM form")
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says whose key it was
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}
