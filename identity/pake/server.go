package pake

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/bytemare/opaque"

	"github.com/sallyport-auth/sallyport/identity"
)

// Server is the realm's end of all exchanges. It is safe for concurrent use.
type Server struct {
	s   *opaque.Server
	use Use
}

// NewKeys makes the realm's long-lived secrets: the key of its end, and the seed that all
// passwords are registered under.
func (u Use) NewKeys(realm string) (identity.Secret, error) {
	c := u.suite()
	key, public := c.KeyGen()
	m := &opaque.ServerKeyMaterial{PrivateKey: key, PublicKeyBytes: public.Encode(), OPRFGlobalSeed: c.GenerateOPRFSeed(), Identity: []byte(realm)}
	return identity.NewSecret(m.Encode()), nil
}

// NewServer is the end of those secrets.
func (u Use) NewServer(keys identity.Secret) (*Server, error) {
	m, err := u.suite().DecodeServerKeyMaterial(keys.Reveal())
	if err != nil {
		return nil, fmt.Errorf("keys of OPAQUE: %w", err)
	}
	s, err := u.suite().Server()
	if err == nil {
		err = s.SetKeyMaterial(m)
	}
	if err != nil {
		return nil, fmt.Errorf("keys of OPAQUE: %w", err)
	}
	return &Server{s, u}, nil
}

// Kept is the server of keys that are stored encrypted, made of them once. The zero value has
// made none. It is safe for concurrent use.
type Kept struct {
	mu     sync.Mutex
	sealed []byte // of server
	server *Server
}

// Server is the one of those keys, which open decrypts.
func (k *Kept) Server(u Use, sealed []byte, open func([]byte) (identity.Secret, error)) (*Server, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.server != nil && bytes.Equal(k.sealed, sealed) {
		return k.server, nil
	}
	keys, err := open(sealed)
	if err != nil {
		return nil, fmt.Errorf("keys of OPAQUE: %w", err)
	}
	defer keys.Wipe()
	server, err := u.NewServer(keys)
	if err != nil {
		return nil, err
	}
	k.sealed, k.server = sealed, server
	return server, nil
}

// NewCredential makes the identifier under which an account registers. It stays the account's
// until it registers anew, and is nobody else's.
func NewCredential() []byte {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // never fails
	return b
}

// Registration answers the client's first message.
func (s *Server) Registration(request, credential []byte) ([]byte, error) {
	m, err := s.s.Deserialize.RegistrationRequest(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	r, err := s.s.RegistrationResponse(m, credential, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return r.Serialize(), nil
}

// Attempt is a login that waits for the client's last message.
type Attempt struct {
	s   *Server
	mac []byte
}

// Registered is what is stored of somebody's registration.
type Registered struct{ Credential, Record []byte }

// Login answers KE1 with KE2, for somebody who has registered, or, where that is nil, for the
// name of nobody: whoever asks can tell no difference, not by asking twice either.
func (s *Server) Login(ke1 []byte, who *Registered, name string) ([]byte, *Attempt, error) {
	m, err := s.s.Deserialize.KE1(ke1)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	// Made for everybody, so that it takes as long for somebody as for nobody.
	fake, err := s.use.suite().GetFakeRecord(s.nobody(name))
	if err != nil {
		return nil, nil, fmt.Errorf("OPAQUE login: %w", err)
	}
	credential, stored := fake.CredentialIdentifier, fake.Serialize()
	if who != nil {
		credential, stored = who.Credential, who.Record
	}
	record, err := s.s.Deserialize.RegistrationRecord(stored)
	if err != nil {
		return nil, nil, fmt.Errorf("a record of OPAQUE: %w", err)
	}
	ke2, out, err := s.s.GenerateKE2(m, &opaque.ClientRecord{RegistrationRecord: record, CredentialIdentifier: credential})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	a := &Attempt{s: s}
	if who != nil {
		a.mac = out.ClientMAC
	}
	return ke2.Serialize(), a, nil
}

// nobody is the credential identifier of a name that nobody has: the same each time.
func (s *Server) nobody(name string) []byte {
	h := hmac.New(sha256.New, s.s.ServerKeyMaterial.OPRFGlobalSeed)
	_, _ = h.Write([]byte("nobody\x00" + name)) // never fails, see hash.Hash
	return h.Sum(nil)
}

// Finish is nil where KE3 proves the password, and ErrWrong for all else that is a KE3.
func (a *Attempt) Finish(ke3 []byte) error {
	m, err := a.s.s.Deserialize.KE3(ke3)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if len(a.mac) == 0 { // nobody's, whatever was sent
		return ErrWrong
	}
	if err := a.s.s.LoginFinish(m, a.mac); err != nil {
		return ErrWrong
	}
	return nil
}

// CheckRecord tells whether that is a record that a client may have made.
func (s *Server) CheckRecord(record []byte) error {
	if _, err := s.s.Deserialize.RegistrationRecord(record); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return nil
}
