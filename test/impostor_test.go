package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"
	"github.com/veraison/go-cose"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/test/machine"
)

const serverAddress = "127.0.0.1:8443"

// impostor stands at the server's address and answers as a test tells it to.
type impostor struct {
	l     net.Listener
	http  *http.Server
	conns sync.WaitGroup
	done  chan struct{}
}

// take takes the server's address. With hello it only accepts connections and
// hands them over; else it serves h over TLS.
func take(t *testing.T, cert tls.Certificate, h http.Handler, hello func(net.Conn, <-chan struct{})) *impostor {
	t.Helper()
	l, err := net.Listen("tcp", serverAddress)
	must(t, err)
	i := &impostor{l: l, done: make(chan struct{})}
	if hello == nil {
		i.http = &http.Server{Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}}
		go func() { _ = i.http.ServeTLS(l, "", "") }()
	} else {
		go i.accept(hello)
	}
	t.Cleanup(i.leave)
	return i
}

func (i *impostor) accept(hello func(net.Conn, <-chan struct{})) {
	for {
		c, err := i.l.Accept()
		if err != nil {
			return
		}
		i.conns.Go(func() {
			defer c.Close()
			hello(c, i.done)
		})
	}
}

// leave frees the address and ends every connection.
func (i *impostor) leave() {
	select {
	case <-i.done:
		return
	default:
	}
	close(i.done)
	_ = i.l.Close()
	if i.http != nil {
		_ = i.http.Close()
	}
	i.conns.Wait()
}

// authority is one that signs certificates for the server's address.
type authority struct{ tls.Certificate }

// realmAuthority is the one that the machine trusts.
func realmAuthority(t *testing.T, r *machine.Realm) authority {
	t.Helper()
	return authority{*servertest.Steal(t, r.Path(machine.ServerDir)).Authority}
}

// newAuthority is one that nobody trusts yet.
func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "someone"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
}

// certificate is one for the server's address.
func (a authority) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.Leaf, key.Public(), a.PrivateKey)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der, a.Certificate.Certificate[0]}, PrivateKey: key}
}

// realmOfLies speaks the server's whole API, and signs whatever it is given.
type realmOfLies struct {
	sallyportv1connect.UnimplementedDirectoryServiceHandler
	sallyportv1connect.UnimplementedAuthenticationServiceHandler
	key     ed25519.PrivateKey
	list    []byte // what it says of its keys; nil for nothing
	machine uuid.UUID
	tokens  []*identity.IDToken
	steps   atomic.Int64
	// step is what answers a credential; nil refuses.
	step func(context.Context) (*v1.StepResponse, error)
}

func newRealmOfLies(t *testing.T) *realmOfLies {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return &realmOfLies{key: key, machine: uuid.New()}
}

func (r *realmOfLies) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(r))
	mux.Handle(sallyportv1connect.NewMachineServiceHandler(r))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(r))
	mux.Handle(sallyportv1connect.NewAuthenticationServiceHandler(r))
	return mux
}

// sign signs a token without a look at it.
func (r *realmOfLies) sign(t *identity.IDToken) ([]byte, error) {
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, r.key)
	if err != nil {
		return nil, err
	}
	m := cose.NewSign1Message()
	m.Headers.Protected.SetAlgorithm(cose.AlgorithmEdDSA)
	m.Headers.Protected[cose.HeaderLabelKeyID] = identity.KeyID(r.pub())
	m.Headers.Protected[cose.HeaderLabelContentType] = "application/sallyport-id-token+cbor"
	if m.Payload, err = cbor.Marshal(t); err != nil {
		return nil, err
	}
	if err := m.Sign(rand.Reader, nil, signer); err != nil {
		return nil, err
	}
	return m.MarshalCBOR()
}

func (r *realmOfLies) pub() ed25519.PublicKey { return r.key.Public().(ed25519.PublicKey) }

func (r *realmOfLies) Describe(context.Context, *v1.DescribeRequest) (*v1.DescribeResponse, error) {
	return &v1.DescribeResponse{Realm: machine.RealmName, SigningKeys: [][]byte{r.pub()}, KeyList: r.list}, nil
}

func (r *realmOfLies) Join(context.Context, *v1.JoinRequest) (*v1.JoinResponse, error) {
	return &v1.JoinResponse{MachineUuid: r.machine.String(), Realm: machine.RealmName, SigningKeys: [][]byte{r.pub()}, KeyList: r.list, MachineName: "laptop"}, nil
}

func (r *realmOfLies) ReportClock(context.Context, *v1.ReportClockRequest) (*v1.ReportClockResponse, error) {
	return &v1.ReportClockResponse{}, nil
}

func (r *realmOfLies) SetSealingKey(context.Context, *v1.SetSealingKeyRequest) (*v1.SetSealingKeyResponse, error) {
	return &v1.SetSealingKeyResponse{}, nil
}

func (r *realmOfLies) GetIDToken(_ context.Context, q *v1.GetIDTokenRequest) (*v1.GetIDTokenResponse, error) {
	for _, t := range r.tokens {
		if string(t.Account.Name) == q.GetName() || (q.GetName() == "" && t.Account.UID == q.GetUid()) {
			signed, err := r.sign(t)
			return &v1.GetIDTokenResponse{IdToken: signed, ServerTime: timestamppb.Now()}, err
		}
	}
	return nil, connect.NewError(connect.CodeUnavailable, nil)
}

func (r *realmOfLies) ListIDTokens(_ context.Context, _ *v1.ListIDTokensRequest, s *connect.ServerStream[v1.ListIDTokensResponse]) error {
	m := &v1.ListIDTokensResponse{Position: 1, Done: true}
	for _, t := range r.tokens {
		signed, err := r.sign(t)
		if err != nil {
			return err
		}
		m.IdTokens = append(m.IdTokens, signed)
	}
	return s.Send(m)
}

// Watch says that nothing has changed, for as long as it is listened to.
func (r *realmOfLies) Watch(ctx context.Context, q *v1.WatchRequest, s *connect.ServerStream[v1.WatchResponse]) error {
	m := &v1.WatchResponse{Position: q.GetPosition(), ServerTime: timestamppb.Now(), Event: &v1.WatchResponse_CaughtUp{CaughtUp: &v1.CaughtUp{}}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := s.Send(m); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			m = &v1.WatchResponse{Position: q.GetPosition(), ServerTime: timestamppb.Now(), Event: &v1.WatchResponse_Alive{Alive: &v1.Alive{}}}
		}
	}
}

func (r *realmOfLies) Begin(context.Context, *v1.BeginRequest) (*v1.BeginResponse, error) {
	return &v1.BeginResponse{Outcome: v1.Outcome_OUTCOME_CONTINUE, Session: "s", Offers: []string{"password"}, ServerTime: timestamppb.Now()}, nil
}

func (r *realmOfLies) Step(ctx context.Context, _ *v1.StepRequest) (*v1.StepResponse, error) {
	r.steps.Add(1)
	if r.step == nil {
		return &v1.StepResponse{Outcome: v1.Outcome_OUTCOME_DENY}, nil
	}
	return r.step(ctx)
}

func (r *realmOfLies) GetVerdict(context.Context, *v1.GetVerdictRequest) (*v1.GetVerdictResponse, error) {
	return &v1.GetVerdictResponse{}, nil
}
