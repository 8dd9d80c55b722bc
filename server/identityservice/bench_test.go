package identityservice_test

import (
	"crypto"
	"testing"

	"connectrpc.com/connect"
	"github.com/bytemare/opaque"

	pb "github.com/sallyport-auth/sallyport/proto/identity"
)

// cheap is a client without Argon2id, which the server knows nothing of: so that what is
// measured is the server and the mathematics.
func cheap(b testing.TB) *opaque.Client {
	b.Helper()
	c, err := suite().Client()
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func suite() *opaque.Configuration {
	return &opaque.Configuration{
		OPRF: opaque.RistrettoSha512, AKE: opaque.RistrettoSha512, KDF: crypto.SHA512, MAC: crypto.SHA512, Hash: crypto.SHA512, Context: []byte("sallyport identity 1"),
	}
}

// registers is what a device does at a registration with its login, less Argon2id.
func (d device) registers(code string) error {
	ctx, call := connect.NewClientContext(d.T.Context())
	call.RequestHeader().Set(pb.CodeHeader, code)
	stream, err := d.RegisterUser(ctx)
	if err != nil {
		return err
	}
	defer hangUp(stream)
	c, login := cheap(d.T), cheap(d.T)
	first, err := c.RegistrationInit([]byte(password))
	if err != nil {
		return err
	}
	got, err := exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationRequestAndUserID{
		PakeRegistrationRequestAndUserID: &pb.PakeRegistrationRequestAndUserID{UserID: "alice", DeviceID: "phone", PakeRegistrationRequest: first.Serialize()},
	}})
	if err != nil {
		return err
	}
	response, err := c.Deserialize.RegistrationResponse(got.GetPakeRegistrationResponse())
	if err != nil {
		return err
	}
	record, _, err := c.RegistrationFinalize(response, nil, []byte(d.Name))
	if err != nil {
		return err
	}
	ke1, err := login.GenerateKE1([]byte(password))
	if err != nil {
		return err
	}
	got, err = exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationUploadAndCredentialRequest{
		PakeRegistrationUploadAndCredentialRequest: &pb.PakeRegistrationUploadAndCredentialRequest{PakeRegistrationUpload: record.Serialize(), PakeCredentialRequest: ke1.Serialize()},
	}})
	if err != nil {
		return err
	}
	ke3, err := proof(login, d.Name, got.GetPakeLoginResponse().GetPakeCredentialResponse())
	if err != nil {
		return err
	}
	_, err = exchange(stream, &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeCredentialFinalization{PakeCredentialFinalization: ke3}})
	return err
}

func proof(c *opaque.Client, realm string, message []byte) ([]byte, error) {
	ke2, err := c.Deserialize.KE2(message)
	if err != nil {
		return nil, err
	}
	ke3, _, _, err := c.GenerateKE3(ke2, nil, []byte(realm))
	if err != nil {
		return nil, err
	}
	return ke3.Serialize(), nil
}

// logsIn is what a device does at a login, less Argon2id.
func (d device) logsIn() error {
	stream, err := d.LoginUser(d.T.Context())
	if err != nil {
		return err
	}
	defer hangUp(stream)
	c := cheap(d.T)
	ke1, err := c.GenerateKE1([]byte(password))
	if err != nil {
		return err
	}
	got, err := exchange(stream, pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialRequestAndUserID{
		PakeCredentialRequestAndUserID: &pb.PakeCredentialRequestAndUserID{UserID: "alice", DeviceID: "phone", PakeCredentialRequest: ke1.Serialize()},
	}}))
	if err != nil {
		return err
	}
	ke3, err := proof(c, d.Name, got.GetPakeLoginResponse().GetPakeCredentialResponse())
	if err != nil {
		return err
	}
	_, err = exchange(stream, pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialFinalization{PakeCredentialFinalization: ke3}}))
	return err
}

// BenchmarkRegistration and BenchmarkLogin are client and server over TLS, one after the
// other, with what is written to the disk; BenchmarkLibrary is the mathematics of both ends.
func BenchmarkRegistration(b *testing.B) {
	d := newRig(b).device("laptop")
	for b.Loop() {
		b.StopTimer()
		code := d.invite("alice")
		b.StartTimer()
		d.Must(nil, d.registers(code))
	}
}

func BenchmarkLogin(b *testing.B) {
	d := newRig(b).device("laptop")
	d.Must(nil, d.registers(d.invite("alice")))
	for b.Loop() {
		d.Must(nil, d.logsIn())
	}
}

func BenchmarkLibrary(b *testing.B) {
	conf := suite()
	key, public := conf.KeyGen()
	server, err := conf.Server()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(err)
	must(server.SetKeyMaterial(&opaque.ServerKeyMaterial{PrivateKey: key, PublicKeyBytes: public.Encode(), OPRFGlobalSeed: conf.GenerateOPRFSeed(), Identity: []byte("example.org")}))
	var record *opaque.ClientRecord
	register := func() {
		c := cheap(b)
		first, err := c.RegistrationInit([]byte(password))
		must(err)
		response, err := server.RegistrationResponse(first, []byte("alice"), nil)
		must(err)
		r, _, err := c.RegistrationFinalize(response, nil, []byte("example.org"))
		must(err)
		record = &opaque.ClientRecord{RegistrationRecord: r, CredentialIdentifier: []byte("alice")}
	}
	login := func() {
		c := cheap(b)
		ke1, err := c.GenerateKE1([]byte(password))
		must(err)
		ke2, out, err := server.GenerateKE2(ke1, record)
		must(err)
		ke3, _, _, err := c.GenerateKE3(ke2, nil, []byte("example.org"))
		must(err)
		must(server.LoginFinish(ke3, out.ClientMAC))
	}
	b.Run("Registration", func(b *testing.B) {
		for b.Loop() {
			register()
			login()
		}
	})
	register()
	b.Run("Login", func(b *testing.B) {
		for b.Loop() {
			login()
		}
	})
}
