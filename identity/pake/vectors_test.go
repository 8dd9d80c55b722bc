package pake

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/bytemare/opaque"
)

// vector is one of RFC 9807, appendix C, in hexadecimal.
type vector struct {
	*testing.T
	of map[string]string
}

// vectors are those of this suite, in testdata, but for the identity in the place of Argon2id.
func vectors(t *testing.T) []map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/rfc9807.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	if err := json.Unmarshal(b, &all); err != nil || len(all) != 3 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

func (v vector) value(name string) []byte {
	v.Helper()
	if v.of[name] == "" {
		return nil
	}
	b, err := hex.DecodeString(v.of[name])
	if err != nil {
		v.Fatalf("%s: %v", name, err)
	}
	return b
}

func (v vector) same(name string, got []byte) {
	v.Helper()
	if want := v.value(name); len(want) == 0 || !bytes.Equal(got, want) {
		v.Errorf("%s\n is %x,\nnot %x", name, got, want)
	}
}

func (v vector) ok(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// suite is that of the logins here, with the vector's context.
func (v vector) suite() *opaque.Configuration {
	c := Use{context: string(v.value("Context")), cost: ForLogins.cost}.suite()
	c.KSF = 0
	return c
}

func (v vector) server() *opaque.Server {
	v.Helper()
	s, err := v.suite().Server()
	v.ok(err)
	key, err := s.Deserialize.DecodePrivateKey(v.value("server_private_key"))
	v.ok(err)
	v.ok(s.SetKeyMaterial(&opaque.ServerKeyMaterial{
		Identity: v.value("server_identity"), PrivateKey: key, PublicKeyBytes: v.value("server_public_key"), OPRFGlobalSeed: v.value("oprf_seed"),
	}))
	return s
}

func (v vector) registers() {
	v.Helper()
	c, err := v.suite().Client()
	v.ok(err)
	blind := v.suite().OPRF.Group().NewScalar()
	v.ok(blind.Decode(v.value("blind_registration")))
	request, err := c.RegistrationInit(v.value("password"), &opaque.ClientOptions{OPRFBlind: blind})
	v.ok(err)
	v.same("registration_request", request.Serialize())
	response, err := v.server().RegistrationResponse(request, v.value("credential_identifier"), nil)
	v.ok(err)
	v.same("registration_response", response.Serialize())
	record, _, err := c.RegistrationFinalize(response, v.value("client_identity"), v.value("server_identity"),
		&opaque.ClientOptions{RegistrationEnvelopeNonce: v.value("envelope_nonce")})
	v.ok(err)
	v.same("registration_upload", record.Serialize())
}

// answers is KE2, which of nobody is as of somebody.
func (v vector) answers(record []byte) (*opaque.Server, *opaque.ServerOutput) {
	v.Helper()
	s := v.server()
	ke1, err := s.Deserialize.KE1(v.value("KE1"))
	v.ok(err)
	r, err := s.Deserialize.RegistrationRecord(record)
	v.ok(err)
	ke2, out, err := s.GenerateKE2(ke1, &opaque.ClientRecord{
		RegistrationRecord: r, CredentialIdentifier: v.value("credential_identifier"), ClientIdentity: v.value("client_identity"),
	}, &opaque.ServerOptions{
		AKE: &opaque.AKEOptions{SecretKeyShareSeed: v.value("server_keyshare_seed"), Nonce: v.value("server_nonce")}, MaskingNonce: v.value("masking_nonce"),
	})
	v.ok(err)
	v.same("KE2", ke2.Serialize())
	return s, out
}

func (v vector) logsIn() {
	v.Helper()
	c, err := v.suite().Client()
	v.ok(err)
	blind := v.suite().OPRF.Group().NewScalar()
	v.ok(blind.Decode(v.value("blind_login")))
	ke1, err := c.GenerateKE1(v.value("password"), &opaque.ClientOptions{
		OPRFBlind: blind, AKE: &opaque.AKEOptions{SecretKeyShareSeed: v.value("client_keyshare_seed"), Nonce: v.value("client_nonce")},
	})
	v.ok(err)
	v.same("KE1", ke1.Serialize())
	s, out := v.answers(v.value("registration_upload"))
	ke2, err := c.Deserialize.KE2(v.value("KE2"))
	v.ok(err)
	ke3, session, export, err := c.GenerateKE3(ke2, v.value("client_identity"), v.value("server_identity"))
	v.ok(err)
	v.same("KE3", ke3.Serialize())
	v.same("session_key", session)
	v.same("session_key", out.SessionSecret)
	v.same("export_key", export)
	v.ok(s.LoginFinish(ke3, out.ClientMAC))
}

// Promise pake-vectors.
func TestTheMessagesAreThoseOfRFC9807(t *testing.T) {
	for _, of := range vectors(t) {
		t.Run(of["name"], func(t *testing.T) {
			v := vector{t, of}
			if of["password"] == "" { // of nobody
				v.answers(append(append(v.value("client_public_key"), v.value("masking_key")...), make([]byte, 96)...))
				return
			}
			v.registers()
			v.logsIn()
		})
	}
}
