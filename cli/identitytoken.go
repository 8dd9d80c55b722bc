package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/sallyport-auth/sallyport/identity"
)

// keptToken is a file of a token: one for each realm, account and device, which nobody but
// its owner can read.
type keptToken struct {
	Realm   string        `json:"realm"`
	Account identity.Name `json:"account"`
	Device  string        `json:"device"`
	Token   string        `json:"token"`
}

// stateFolder follows the XDG Base Directory Specification: state, and no configuration.
func stateFolder() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // which it says is to be ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("where to keep what stays: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "sallyport"), nil
}

func tokensFolder() (string, error) {
	state, err := stateFolder()
	return filepath.Join(state, "identity"), err
}

// path is of a hash: a device may be called anything.
func (k keptToken) path(folder string) string {
	h := sha256.Sum256([]byte(strings.Join([]string{k.Realm, string(k.Account), k.Device}, "\x00")))
	return filepath.Join(folder, hex.EncodeToString(h[:16])+".json")
}

// keep writes it, all or nothing, and returns where.
func (k keptToken) keep(folder string) (string, error) {
	path := k.path(folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return path, fmt.Errorf("keep the token: %w", err)
	}
	if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // a folder
		return path, fmt.Errorf("keep the token: %w", err)
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = renameio.WriteFile(path, append(b, '\n'), 0o600, renameio.WithStaticPermissions(0o600))
	}
	if err != nil {
		return path, fmt.Errorf("keep the token in %s: %w", path, err)
	}
	return path, nil
}

// readToken finds the one of that realm, account and device.
func readToken(folder, realm string, account identity.Name, device string) (keptToken, []byte, error) {
	want := keptToken{Realm: realm, Account: account, Device: device}
	path := want.path(folder)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return want, nil, fmt.Errorf("no token is kept here for the device %s: \"sallyport identity login\" gets one", spoken(device))
	}
	if err != nil {
		return want, nil, fmt.Errorf("the kept token: %w", err)
	}
	var k keptToken
	err = json.Unmarshal(b, &k)
	token, malformed := tokenOf(k.Token)
	if want.Token = k.Token; err != nil || malformed != nil || k != want {
		return want, nil, fmt.Errorf("%s is damaged: remove it, and log in again with \"sallyport identity login\"", path)
	}
	return k, token, nil
}

// forget removes the file, if there is one.
func (k keptToken) forget() error {
	folder, err := tokensFolder()
	if err != nil {
		return err
	}
	if err := os.Remove(k.path(folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the token is revoked, but its file is still there: %w", err)
	}
	return nil
}

// writtenToken is a token in base64url without padding (RFC 4648, section 5).
func writtenToken(token []byte) string { return base64.RawURLEncoding.EncodeToString(token) }

// tokenOf reads one.
func tokenOf(text string) ([]byte, error) {
	token, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(token) == 0 {
		err = errors.New("no bytes")
	}
	return token, err //nolint:wrapcheck // whoever reads it says more
}
