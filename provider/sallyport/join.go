package sallyport

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
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

// Server is a server that is not joined yet.
type Server struct {
	URL string // https://HOST or https://HOST:PORT
	// Others are further servers of the realm, of which the first that answers is taken.
	Others []string
	Proxy  string // https.Way's
	// Machine is what this machine wants to be called, for a code that many join with.
	Machine string
}

func (s Server) way() https.Way { return https.Way{Proxy: s.Proxy, Dial: joinTimeout} }

// ErrCode says that the server did not accept the one-time code.
var ErrCode = errors.New("the join code is wrong, used or expired")

// ErrCodeSent says that the code was sent and no answer came: it may be spent.
var ErrCodeSent = errors.New("the code was sent, and no answer came")

// joinTimeout bounds joining as a whole.
const joinTimeout = 30 * time.Second

// Join makes a machine key and trades a one-time code for a place in the realm. It
// first asks the server for its realm key and key list, on a connection on which
// nothing else is said, and sends the code only to a server whose realm key and TLS
// key give that fingerprint (hex; colons and case do not matter) and whose key list
// that realm key signed; otherwise the error is provider.ErrUntrusted.
func Join(ctx context.Context, to Server, code, fingerprint string) (Joined, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	pin, err := pinned(ctx, to, fingerprint)
	if err != nil {
		return Joined{}, err
	}
	to.URL = pin.url
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Joined{}, fmt.Errorf("make machine key: %w", err)
	}
	cert, err := machineCertificate(key)
	if err != nil {
		return Joined{}, err
	}
	t := https.Transport(tlsConfig(cert, func(chain []*x509.Certificate) error {
		return distrusted(chain, pin.tls.Verify(chain, pin.host, time.Now()))
	}), to.way())
	defer t.CloseIdleConnections()
	resp, err := sallyportv1connect.NewMachineServiceClient(https.Client(t), to.URL, limits()).Join(ctx, &v1.JoinRequest{Code: code, PublicKey: pub, Name: to.Machine})
	if err != nil {
		if connect.IsWireError(err) && connect.CodeOf(err) == connect.CodePermissionDenied {
			return Joined{}, fmt.Errorf("join: %w: %w", ErrCode, err)
		}
		return Joined{}, fmt.Errorf("%w: %w", ErrCodeSent, meaning("join", err))
	}
	id, err := uuid.Parse(resp.GetMachineUuid())
	if err != nil {
		return Joined{}, meaning("join", fmt.Errorf("machine uuid: %w", err))
	}
	if resp.GetRealm() != pin.list.Realm {
		return Joined{}, meaning("join", otherRealm(resp.GetRealm(), pin.list.Realm))
	}
	ids := identity.IDRange{Min: resp.GetIdMin(), Max: resp.GetIdMax()}
	if ids != (identity.IDRange{}) {
		if err := ids.Validate(); err != nil {
			return Joined{}, meaning("join", fmt.Errorf("the realm's range of ids: %w", err))
		}
	}
	return Joined{IDs: ids, MachineID: id, MachineName: resp.GetMachineName(), Realm: pin.list.Realm, Key: key, RootPEM: pin.pem}, nil
}

// Trust returns what [Options].RootPEM is to be from now on, for a machine that has
// joined already: what Join does without joining. The realm must be the machine's.
func Trust(ctx context.Context, to Server, realm, fingerprint string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	pin, err := pinned(ctx, to, fingerprint)
	if err != nil {
		return nil, err
	}
	if pin.list.Realm != realm {
		return nil, meaning("trust", otherRealm(pin.list.Realm, realm))
	}
	return pin.pem, nil
}

// pin is a realm key and a server's TLS key that a fingerprint vouches for.
type pin struct {
	url, host string
	list      *identity.KeyList
	tls       identity.TLSTrust
	pem       []byte
}

// pinned asks one server after the other until one answers. One that shows something wrong
// is an answer: whoever typed the fingerprint has to look.
func pinned(ctx context.Context, to Server, fingerprint string) (*pin, error) {
	var lost lostError
	for _, address := range append([]string{to.URL}, to.Others...) {
		one := Server{URL: address, Proxy: to.Proxy}
		ctx, cancel := ctx, context.CancelFunc(func() {})
		if len(to.Others) > 0 {
			ctx, cancel = context.WithTimeout(ctx, joinTimeout/3)
		}
		p, err := pinnedAt(ctx, one, fingerprint)
		cancel()
		if err == nil || !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) || len(to.Others) == 0 {
			return p, err
		}
		lost = append(lost, &endpointError{address, err})
	}
	return nil, lost
}

// pinnedAt asks whoever answers what it says about itself, and believes it where that
// gives the fingerprint.
func pinnedAt(ctx context.Context, to Server, fingerprint string) (*pin, error) {
	server := to.URL
	if err := https.CheckURL(server); err != nil {
		return nil, err
	}
	want, ok := identity.ParseFingerprint(fingerprint)
	if !ok {
		return nil, errors.New("join: the fingerprint is not a SHA-256 in hex, as \"sallyport-server machine add\" prints it")
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	resp, chain, err := look(ctx, server, u.Hostname(), to.way(), 0)
	if err != nil {
		return nil, meaning("join", err)
	}
	if len(resp.GetKeyList()) == 0 {
		return nil, meaning("join", oldServer(chain, want))
	}
	b, err := identity.DecodeKeyBundle(resp.GetKeyList())
	if err != nil {
		return nil, meaning("join", unreadable(err))
	}
	list, err := identity.OpenKeyList(b.RealmKey, b.List)
	if err != nil {
		return nil, meaning("join", notSigned(b.RealmKey, b.RealmKey, err))
	}
	t, ok := list.Pinned(b.RealmKey, want)
	if !ok {
		return nil, meaning("join", otherFingerprint(server, chain, want))
	}
	if err := t.Verify(chain, u.Hostname(), time.Now()); err != nil {
		verify := func(host string, now time.Time) error { return t.Verify(chain, host, now) }
		return nil, meaning("join", otherTLSKey(server, chain[0], distrusted(chain, err), verify))
	}
	p := &pin{url: server, host: u.Hostname(), list: list, tls: t}
	// For programs from before there were realm keys. Never an intermediate.
	certificate := chain[0]
	if t.Kind == identity.TLSAuthority {
		certificate = chain[len(chain)-1]
	}
	p.pem, err = anchorPEM(b.RealmKey, resp.GetKeyList(), certificate.Raw)
	return p, err
}

// showsCertificate tells whether a fingerprint is one of a certificate, as servers
// printed it before there were realm keys.
func showsCertificate(chain []*x509.Certificate, want []byte) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		sum := sha256.Sum256(c.Raw)
		return subtle.ConstantTimeCompare(sum[:], want) == 1
	})
}
