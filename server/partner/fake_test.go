package partner_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// What a realm says that does not keep to the rules.

var someHistory = uuid.MustParse("0192e4a0-7c1e-7b3a-9c57-1f2a3b4c5d6e")

// person is somebody with a key of its own.
func person(name string) identity.PartnerPerson {
	private, _ := verify.NewKey()
	public, _ := verify.Public(private)
	return identity.PartnerPerson{ID: uuid.NewSHA1(someHistory, []byte(name)), Name: identity.Name(name), Public: public, Made: 1_700_000_000, ValidUntil: identity.Never}
}

// bundle is a realm's key list, and its signer of now.
func (s *side) bundle() (bundle []byte, signer *identity.Signer) {
	s.Must(nil, s.Store.Read(context.Background(), func(tx *store.Tx) (err error) {
		if bundle, _, err = s.KeyList(tx); err == nil {
			signer, err = s.Signer(tx)
		}
		return err
	}))
	return bundle, signer
}

// question opens what another realm asks.
func (s *side) question(from *side, req *v1.PullRequest) *identity.PartnerQuestion {
	b, err := identity.DecodeKeyBundle(req.GetKeyBundle())
	s.Must(nil, err)
	_, list, err := b.Follow(b.RealmKey)
	s.Must(nil, err)
	ring, err := list.Keyring()
	s.Must(nil, err)
	q, err := ring.PartnerQuestion(req.GetQuestion())
	s.Must(nil, err)
	if q.Realm != from.Name {
		s.T.Errorf("asked by %q", q.Realm)
	}
	return q
}

// reply is an answer that tells nothing new.
func (s *side) reply(q *identity.PartnerQuestion) *identity.PartnerAnswer {
	return &identity.PartnerAnswer{
		Realm: s.Name, Audience: q.Realm, Nonce: q.Nonce, Time: s.Now().Unix(), History: someHistory, Position: q.Position, Full: q.History == uuid.Nil,
	}
}

// signed is what a realm says, signed by it.
func (s *side) signed(a *identity.PartnerAnswer) (*v1.PullResponse, error) {
	bundle, signer := s.bundle()
	answer, err := signer.SignPartnerAnswer(a)
	return &v1.PullResponse{KeyBundle: bundle, Answer: answer}, err
}

// says has a realm answer what f makes of it.
func (s *side) says(to *side, f func(q *identity.PartnerQuestion) (*v1.PullResponse, error)) {
	fake := pull(func(_ context.Context, req *v1.PullRequest) (*v1.PullResponse, error) { return f(s.question(to, req)) })
	s.answers.Store(&fake)
}

// list is the key list that a realm would sign, changed.
func (s *side) list(change func(*identity.KeyList)) []byte {
	text, err := os.ReadFile(filepath.Join(string(s.Dir), "realm.key"))
	s.Must(nil, err)
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	s.Must(nil, err)
	signer, err := identity.NewSigner(parsed.(ed25519.PrivateKey))
	s.Must(nil, err)
	bundle, _ := s.bundle()
	b, err := identity.DecodeKeyBundle(bundle)
	s.Must(nil, err)
	list, err := identity.OpenKeyList(b.RealmKey, b.List)
	s.Must(nil, err)
	change(list)
	b.List, err = signer.SignKeyList(list)
	s.Must(nil, err)
	encoded, err := b.Encode()
	s.Must(nil, err)
	return encoded
}
