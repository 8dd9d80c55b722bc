package kanidm_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

type person = double.Person

// rig is a server with machines that ask it.
type rig struct {
	*double.Double
	t     testing.TB
	realm string
	// among makes its resolver one of several; nil: it is alone.
	among func(*daemon.Options)
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return &rig{Double: double.New(t), t: t, realm: double.Domain}
}

var bobID = uuid.MustParse("0b0b0b0b-0000-4000-8000-000000000001")

// otherBob is who has the name in a database that was made anew.
var otherBob = uuid.MustParse("0b0b0b0b-0000-4000-8000-00000000000f")

var box = uuid.MustParse("11111111-1111-4111-8111-111111111111")

func (d *rig) options() kanidm.Options {
	d.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	return kanidm.Options{URL: d.URL, Realm: d.realm, RootPEM: d.CA(), MachineKey: key, MachineID: box, Memory: &providertest.Memory{}, Installed: everything}
}

// everything is what a machine has where it does not matter.
func everything(string) bool { return true }

// machine is a provider for it, with the options changed.
func (d *rig) machine(change func(*kanidm.Options)) *kanidm.Provider {
	d.t.Helper()
	o := d.options()
	if change != nil {
		change(&o)
	}
	p, err := kanidm.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.Close() })
	return p
}

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

// otherCA is an authority that vouches for nobody here.
func otherCA(t testing.TB) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
