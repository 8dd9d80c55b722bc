// Package pake is what both ends of an OPAQUE exchange (RFC 9807) have to agree about in this
// project: a person proves a password to a server that never sees it, and keeps nothing that
// a guess can be tried on without the server's own keys.
//
//	suite             ristretto255 with SHA-512 for the OPRF and for 3DH, HKDF, HMAC and the
//	                  hash with SHA-512, Argon2id at the client
//	Argon2id          16 zero bytes of salt, 64 bytes; by what it is used for:
//	                  [ForIdentities] t=3, m=64 MiB, p=4; [ForLogins] t=2, m=19 MiB, p=1
//	context           "sallyport identity 1" and "sallyport login 1"
//	server identity   the name of the realm
//	client identity   none, which stands for the client's public key: an account that is
//	                  renamed keeps its password
//
// A workstation proves many people's passwords at once, and may be slow: logins cost what a
// verifier for offline logins costs there.
//
// The credential identifier is the server's own affair. Messages are those of RFC 9807, as
// it writes them. The mathematics are of github.com/bytemare/opaque; this package holds no
// state but an exchange's and, in [Kept], a server's; it logs nothing, and knows no account.
package pake

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/bytemare/ksf"
	"github.com/bytemare/opaque"

	"github.com/sallyport-auth/sallyport/identity"
)

// ErrWrong says that the password is not the one that was registered, or nobody registered
// one: at the client, and at the server, where it may be the client's fault or a stranger's.
var ErrWrong = errors.New("the password is wrong, or the account has not registered one")

// ErrMessage says that a message is none of OPAQUE's.
var ErrMessage = errors.New("not a message of OPAQUE")

// Use is what passwords are proved for. The zero value is for nothing.
type Use struct {
	context string
	// cost is t, m in KiB, and p of Argon2id.
	cost [3]uint64
}

// What there is.
var (
	ForIdentities = Use{"sallyport identity 1", [3]uint64{3, 64 << 10, 4}} //nolint:gochecknoglobals // a constant
	ForLogins     = Use{"sallyport login 1", [3]uint64{2, 19 << 10, 1}}    //nolint:gochecknoglobals // a constant
)

func (u Use) suite() *opaque.Configuration {
	return &opaque.Configuration{
		OPRF: opaque.RistrettoSha512, AKE: opaque.RistrettoSha512, KSF: ksf.Argon2id,
		KDF: crypto.SHA512, MAC: crypto.SHA512, Hash: crypto.SHA512, Context: []byte(u.context),
	}
}

func (u Use) hardening() *opaque.ClientOptions {
	return &opaque.ClientOptions{KSFSalt: make([]byte, 16), KSFParameters: u.cost[:], KSFLength: 64}
}

// Client is the person's end of one exchange.
type Client struct {
	c     *opaque.Client
	use   Use
	realm string
}

// NewClient begins one with that realm.
func (u Use) NewClient(realm string) (*Client, error) {
	c, err := u.suite().Client()
	if err != nil {
		return nil, fmt.Errorf("OPAQUE: %w", err)
	}
	return &Client{c, u, realm}, nil
}

// Register is the first message of a registration.
func (c *Client) Register(password identity.Secret) ([]byte, error) {
	m, err := c.c.RegistrationInit(password.Reveal(), c.use.hardening())
	if err != nil {
		return nil, fmt.Errorf("OPAQUE registration: %w", err)
	}
	return m.Serialize(), nil
}

// Record is the answer to the server's: what it stores.
func (c *Client) Record(response []byte) ([]byte, error) {
	r, err := c.c.Deserialize.RegistrationResponse(response)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	record, _, err := c.c.RegistrationFinalize(r, nil, []byte(c.realm), c.use.hardening())
	if err != nil {
		return nil, fmt.Errorf("OPAQUE registration: %w", err)
	}
	c.c.ClearState()
	return record.Serialize(), nil
}

// Login is the first message of a login, KE1.
func (c *Client) Login(password identity.Secret) ([]byte, error) {
	m, err := c.c.GenerateKE1(password.Reveal(), c.use.hardening())
	if err != nil {
		return nil, fmt.Errorf("OPAQUE login: %w", err)
	}
	return m.Serialize(), nil
}

// Finish is the answer to the server's KE2: KE3. It is ErrWrong where the password is.
func (c *Client) Finish(ke2 []byte) ([]byte, error) {
	m, err := c.c.Deserialize.KE2(ke2)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	ke3, _, _, err := c.c.GenerateKE3(m, nil, []byte(c.realm), c.use.hardening())
	if err != nil {
		return nil, ErrWrong
	}
	return ke3.Serialize(), nil
}
