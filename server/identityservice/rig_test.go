package identityservice_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/identityservice"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestMain(m *testing.M) { os.Exit(servertest.OnEach(m)) }

const password = "correct horse battery staple"

// rig is a realm with the service switched on, over TLS, and gRPC clients with keys of machines.
type rig struct {
	*servertest.Bench
	url string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return recordedRig(t, nil)
}

// recordedRig has what passes noted down.
func recordedRig(t testing.TB, rec *record) *rig {
	t.Helper()
	r := &rig{Bench: servertest.New(t)}
	on := true
	r.Must(r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &on}))
	mux := http.NewServeMux()
	mux.Handle(identitypbconnect.NewIdentityServiceHandler(identityservice.New(r.Realm, r.Engine)))
	handler := realm.WithCallers(mux)
	if rec != nil {
		handler = rec.taking(handler)
	}
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// device is a machine of the realm, and a client with its key.
type device struct {
	*rig
	identitypbconnect.IdentityServiceClient
	machine store.Machine
}

func (r *rig) client(key ed25519.PrivateKey) identitypbconnect.IdentityServiceClient {
	r.T.Helper()
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if key != nil {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
		r.Must(nil, err)
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	}
	t := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	r.T.Cleanup(t.CloseIdleConnections)
	return identitypbconnect.NewIdentityServiceClient(&http.Client{Transport: t}, r.url, connect.WithGRPC(), connect.WithAcceptCompression("gzip", nil, nil))
}

func (r *rig) device(name identity.Name) device {
	r.T.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	r.Must(nil, err)
	var m store.Machine
	r.Must(nil, r.Store.Write(r.T.Context(), func(tx *store.Tx) (err error) {
		if _, err = tx.Invite(name, []byte(name), r.Now().Add(time.Hour)); err == nil {
			m, err = tx.Join([]byte(name), public, r.Now())
		}
		return err
	}))
	return device{r, r.client(key), m}
}

func (r *rig) invite(name string) string {
	r.T.Helper()
	i, err := r.Admin.InviteIdentity(r.T.Context(), &v1.NameRequest{Name: name})
	r.Must(nil, err)
	return i.GetCode()
}

// cut is how far an exchange goes before its stream is cut off; whole: to the end.
type cut int

// forged: with a last message that proves nothing.
const (
	whole  cut = 9
	forged cut = 8
)

// notRight is as long as a KE3.
const notRight = "it is not right, and as long as a right one would be: 64 bytes.."

// register goes through a registration, as far as cut.
func (d device) register(user, dev, code, password string, far cut) ([]byte, error) {
	ctx, end := context.WithCancel(d.T.Context())
	defer end()
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set(pb.CodeHeader, code)
	stream, err := d.RegisterUser(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp(stream)
	secret := identity.NewSecret([]byte(password))
	c, login := d.pake(), d.pake()
	request, err := c.Register(secret)
	d.Must(nil, err)
	got, err := exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationRequestAndUserID{
		PakeRegistrationRequestAndUserID: &pb.PakeRegistrationRequestAndUserID{UserID: user, DeviceID: dev, PakeRegistrationRequest: request},
	}})
	if err != nil || far < 2 {
		return nil, err
	}
	record, err := c.Record(got.GetPakeRegistrationResponse())
	d.Must(nil, err)
	ke1, err := login.Login(secret)
	d.Must(nil, err)
	got, err = exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationUploadAndCredentialRequest{
		PakeRegistrationUploadAndCredentialRequest: &pb.PakeRegistrationUploadAndCredentialRequest{PakeRegistrationUpload: record, PakeCredentialRequest: ke1},
	}})
	if err != nil || far < 3 {
		return nil, err
	}
	ke3, err := login.Finish(got.GetPakeLoginResponse().GetPakeCredentialResponse())
	d.Must(nil, err)
	if far == forged {
		ke3 = []byte(notRight)
	}
	got, err = exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeCredentialFinalization{PakeCredentialFinalization: ke3}})
	return got.GetPakeLoginResponse().GetToken(), err
}

func (d device) pake() *pake.Client {
	d.T.Helper()
	c, err := pake.ForIdentities.NewClient(d.Name)
	d.Must(nil, err)
	return c
}

type stream[Req, Resp any] interface {
	Send(*Req) error
	Receive() (*Resp, error)
}

// hangUp ends a stream, where it is.
func hangUp(s interface {
	CloseRequest() error
	CloseResponse() error
},
) {
	_ = s.CloseRequest()
	_ = s.CloseResponse()
}

// exchange sends one message and receives one. What the server says is told by Receive.
func exchange[Req, Resp any](s stream[Req, Resp], m *Req) (*Resp, error) {
	_ = s.Send(m)
	return s.Receive()
}

// login tries a password, as far as cut. Where the client finds that it is wrong it sends what
// is no answer.
func (d device) login(user, dev, password string, far cut) ([]byte, error) {
	return d.loginWith(user, dev, password, far, func() {})
}

// loginWith does something before the last message.
func (d device) loginWith(user, dev, password string, far cut, before func()) ([]byte, error) {
	ctx, end := context.WithCancel(d.T.Context())
	defer end()
	stream, err := d.LoginUser(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp(stream)
	c := d.pake()
	ke1, err := c.Login(identity.NewSecret([]byte(password)))
	d.Must(nil, err)
	got, err := exchange(stream, pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialRequestAndUserID{
		PakeCredentialRequestAndUserID: &pb.PakeCredentialRequestAndUserID{UserID: user, DeviceID: dev, PakeCredentialRequest: ke1},
	}}))
	if err != nil || far < 2 {
		return nil, err
	}
	ke3, err := c.Finish(got.GetPakeLoginResponse().GetPakeCredentialResponse())
	if err != nil {
		ke3 = []byte(notRight)
	}
	before()
	got, err = exchange(stream, pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialFinalization{PakeCredentialFinalization: ke3}}))
	return got.GetPakeLoginResponse().GetToken(), err
}

func pakeLogin(m *pb.PakeLoginRequest) *pb.LoginRequest {
	return &pb.LoginRequest{Data: &pb.LoginRequest_PakeLoginRequest{PakeLoginRequest: m}}
}

func (d device) verifies(user, dev string, token []byte) bool {
	d.T.Helper()
	v, err := d.VerifyUserToken(d.T.Context(), &pb.VerifyUserTokenRequest{UserID: user, DeviceID: dev, Token: token})
	d.Must(nil, err)
	return v.GetTokenValid()
}

// registered is alice's token on her phone.
func (d device) registered() []byte {
	d.T.Helper()
	token, err := d.register("alice", "phone", d.invite("alice"), password, whole)
	d.Must(nil, err)
	return token
}

func (r *rig) wants(what string, err error, code connect.Code) {
	r.T.Helper()
	if connect.CodeOf(err) != code || err == nil {
		r.T.Errorf("%s: %v, want %v", what, err, code)
	}
}
