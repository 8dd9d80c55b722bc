package sallyport

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// Joined is a machine's place in a realm: all that Options needs.
type Joined struct {
	MachineID   uuid.UUID
	MachineName string
	Realm       string
	RootPEM     []byte
	Key         ed25519.PrivateKey
	// IDs is the range that the realm allots from; zero where the server does not say.
	IDs identity.IDRange
}

// ErrCode says that the server did not accept the one-time code.
var ErrCode = errors.New("the join code is wrong, used or expired")

// joinTimeout bounds joining as a whole.
const joinTimeout = 30 * time.Second

// Join makes a machine key and trades a one-time code for a place in the realm.
// The code is sent only to a server whose chain holds the certificate with that
// SHA-256 fingerprint (hex; colons and case do not matter) and verifies against
// it; otherwise the error is provider.ErrUntrusted.
func Join(ctx context.Context, server, code, fingerprint string) (Joined, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if err := https.CheckURL(server); err != nil {
		return Joined{}, err
	}
	root, err := pinned(ctx, server, fingerprint)
	if err != nil {
		return Joined{}, err
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Joined{}, fmt.Errorf("make machine key: %w", err)
	}
	cert, err := machineCertificate(key)
	if err != nil {
		return Joined{}, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	t := https.Transport(tlsConfig(roots, cert), joinTimeout)
	defer t.CloseIdleConnections()
	resp, err := sallyportv1connect.NewMachineServiceClient(https.Client(t), server, limits()).Join(ctx, &v1.JoinRequest{Code: code, PublicKey: pub})
	if err != nil {
		if connect.IsWireError(err) && connect.CodeOf(err) == connect.CodePermissionDenied {
			return Joined{}, fmt.Errorf("join: %w: %w", ErrCode, err)
		}
		return Joined{}, meaning("join", err)
	}
	id, err := uuid.Parse(resp.GetMachineUuid())
	if err != nil {
		return Joined{}, meaning("join", fmt.Errorf("machine uuid: %w", err))
	}
	ids := identity.IDRange{Min: resp.GetIdMin(), Max: resp.GetIdMax()}
	if ids != (identity.IDRange{}) {
		if err := ids.Validate(); err != nil {
			return Joined{}, meaning("join", fmt.Errorf("the realm's range of ids: %w", err))
		}
	}
	return Joined{
		IDs: ids, MachineID: id, MachineName: resp.GetMachineName(), Realm: resp.GetRealm(), Key: key,
		RootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
	}, nil
}

// pinned connects only to look at the chain, and returns the certificate in it
// that has the fingerprint. Nothing is said on that connection; that the chain
// verifies against the certificate is checked by the one that follows.
func pinned(ctx context.Context, server, fingerprint string) (*x509.Certificate, error) {
	want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(fingerprint), ":", ""))
	if err != nil || len(want) != sha256.Size {
		return nil, errors.New("join: the fingerprint is not a SHA-256 in hex, as \"sallyport-server machine add\" prints it")
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := &tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: u.Hostname(),
		InsecureSkipVerify: true, //nolint:gosec // the chain is what we came to look at
	}}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, meaning("join", err)
	}
	defer func() { _ = conn.Close() }()
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("join: %w: no TLS", provider.ErrUntrusted)
	}
	for _, c := range secured.ConnectionState().PeerCertificates {
		if sum := sha256.Sum256(c.Raw); subtle.ConstantTimeCompare(sum[:], want) == 1 {
			return c, nil
		}
	}
	return nil, fmt.Errorf("join: %w: no certificate of %s has the fingerprint given", provider.ErrUntrusted, server)
}
