package serviceauth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

// Verifier asks about tokens. Only true without an error is a yes.
type Verifier interface {
	Verify(ctx context.Context, t Token) (bool, error)
}

// defaultSocket is where the daemon listens unless its configuration says otherwise.
const defaultSocket = "/run/sallyport/control.sock"

// Daemon asks the daemon of this machine, at that control.sock; "": at the usual place. Any
// user of the machine may.
func Daemon(socket string) Verifier {
	if socket == "" {
		socket = defaultSocket
	}
	return byDaemon{control.Client{Path: socket}, make(chan struct{}, atOnce)}
}

// atOnce is how many questions a daemon is asked at once: it takes 16 of one user. The others
// wait their turn.
const atOnce = 8

type byDaemon struct {
	client control.Client
	turns  chan struct{}
}

func (d byDaemon) Verify(ctx context.Context, t Token) (bool, error) {
	select {
	case d.turns <- struct{}{}:
		defer func() { <-d.turns }()
	case <-ctx.Done():
		return false, fmt.Errorf("ask the daemon about a token: %w", ctx.Err())
	}
	v, err := control.One[report.IdentityVerified](ctx, d.client, report.VerbIdentityVerify, asked(t))
	if err != nil {
		return false, fmt.Errorf("ask the daemon about a token: %w", err)
	}
	return v.Valid, nil
}

func asked(t Token) report.IdentityToken {
	return report.IdentityToken{Name: t.User, Device: t.Device, Token: t.Secret.Reveal()}
}

// The files of a service that is a machine of the realm.
const (
	keyFile, trustFile, placeFile = "machine.key", "server-ca.pem", "service.json"
)

// place is what [Join] writes besides the key and what vouches for the servers.
type place struct {
	Servers []string  `json:"servers"`
	Realm   string    `json:"realm"`
	Machine uuid.UUID `json:"machine"`
}

// ErrJoined says that there is a key already.
var ErrJoined = errors.New("the folder has a machine's key already")

// Join makes a key in that folder, of mode 0700, and trades a code of "sallyport-server machine
// add" for a place in the realm. The fingerprint is printed beside the code. servers are the URLs of
// the realm's servers.
func Join(ctx context.Context, folder, code, fingerprint string, servers ...string) error {
	if len(servers) == 0 {
		return errors.New("join: no server is named")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(folder, keyFile)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrJoined, err)
	}
	j, err := sallyport.Join(ctx, sallyport.Server{URL: servers[0], Others: servers[1:]}, code, fingerprint)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	der, err := x509.MarshalPKCS8PrivateKey(j.Key)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	text, err := json.MarshalIndent(place{servers, j.Realm, j.MachineID}, "", "  ")
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{trustFile, j.RootPEM}, {placeFile, append(text, '\n')}, {keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}} {
		if err := renameio.WriteFile(filepath.Join(folder, f.name), f.text, 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
			return fmt.Errorf("join: the code is spent, get another: %w", err)
		}
	}
	return nil
}

// Client is a service that is a machine of the realm. It is safe for concurrent use.
type Client struct{ p *sallyport.Provider }

// Open reads what [Join] wrote. It connects at the first question.
func Open(folder string) (*Client, error) {
	text, err := os.ReadFile(filepath.Join(folder, placeFile))
	if err != nil {
		return nil, fmt.Errorf("read the service's place in the realm: %w", err)
	}
	var at place
	if err := json.Unmarshal(text, &at); err != nil || len(at.Servers) == 0 {
		return nil, fmt.Errorf("%s says no server: join again (%w)", placeFile, errors.Join(err, ErrJoined))
	}
	files, err := provider.Settings{CA: filepath.Join(folder, trustFile), MachineKey: filepath.Join(folder, keyFile)}.Files()
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	p, err := sallyport.New(sallyport.Options{
		URL: at.Servers[0], Others: at.Servers[1:], Realm: at.Realm, MachineID: at.Machine, RootPEM: files.CA, MachineKey: files.Key, Memory: provider.Forgetful{},
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return &Client{p}, nil
}

// Verify implements [Verifier].
func (c *Client) Verify(ctx context.Context, t Token) (bool, error) {
	return c.p.VerifyIdentity(ctx, asked(t)) //nolint:wrapcheck // it says what it is about
}

// Close ends the connections.
func (c *Client) Close() error { return c.p.Close() } //nolint:wrapcheck // it says what it is about
