package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

func cardView(c store.Card, now time.Time) (*v1.CardView, error) {
	cert, err := identity.ParseCard(c.Certificate)
	if err != nil {
		return nil, fmt.Errorf("card %x: %w", c.Fingerprint, err)
	}
	v := &v1.CardView{
		Fingerprint: hex.EncodeToString(c.Fingerprint), Label: c.Label, Subject: cert.Subject.String(), KeyType: keyType(cert),
		NotBefore: timestamppb.New(cert.NotBefore), NotAfter: timestamppb.New(cert.NotAfter),
		State: "active", Attested: c.Attested, Serial: c.Serial,
	}
	switch {
	case c.Revoked:
		v.State = "revoked"
	case now.Before(cert.NotBefore):
		v.State = "not yet valid"
	case now.After(cert.NotAfter):
		v.State = "expired"
	}
	return v, nil
}

// AddCard implements AdminService. Nobody shows here that the card is at hand: the
// administrator vouches for it.
func (s *Admin) AddCard(ctx context.Context, req *v1.AddCardRequest) (*v1.AccountView, error) {
	der := req.GetCertificate()
	if block, _ := pem.Decode(der); block != nil && block.Type == "CERTIFICATE" {
		der = block.Bytes
	}
	card, err := s.credentials.NewCard(der, req.GetLabel())
	if err != nil {
		return nil, s.told(ctx, "add card to", req.GetName(), fmt.Errorf("%w: %w", realm.ErrInput, err))
	}
	return s.onAccount(ctx, "account.add-card", req.GetName(), card.Detail(), func(tx *store.Tx, a store.Account) error {
		if _, err := s.credentials.AddCard(tx, a.UUID, card); err != nil {
			return err
		}
		now, err := tx.Account(a.UUID)
		if err != nil {
			return err
		}
		_, err = s.FreshToken(ctx, tx, now) // not beyond what a token may hold
		return err
	})
}

// RevokeCard implements AdminService.
func (s *Admin) RevokeCard(ctx context.Context, req *v1.CardRequest) (*v1.AccountView, error) {
	return s.onCard(ctx, "account.revoke-card", req, func(tx *store.Tx, a store.Account, c store.Card) error {
		if c.Revoked {
			return realm.RefusalError("The card is revoked already.")
		}
		return tx.RevokeCard(a.UUID, c.Fingerprint)
	})
}

// RemoveCard implements AdminService.
func (s *Admin) RemoveCard(ctx context.Context, req *v1.CardRequest) (*v1.AccountView, error) {
	return s.onCard(ctx, "account.remove-card", req, func(tx *store.Tx, a store.Account, c store.Card) error {
		return tx.RemoveCard(a.UUID, c.Fingerprint)
	})
}

// minPrefix is how many hex digits of a fingerprint name a card at least.
const minPrefix = 8

func (s *Admin) onCard(ctx context.Context, action string, req *v1.CardRequest, f func(*store.Tx, store.Account, store.Card) error) (*v1.AccountView, error) {
	prefix := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(req.GetFingerprint()))
	return s.onAccount(ctx, action, req.GetName(), "card="+realm.Clip(prefix), func(tx *store.Tx, a store.Account) error {
		if len(prefix) < minPrefix {
			return fmt.Errorf("%w: give at least %d digits of the card's fingerprint", realm.ErrInput, minPrefix)
		}
		cards, err := tx.Cards(a.UUID)
		if err != nil {
			return err
		}
		var found []store.Card
		for _, c := range cards {
			if strings.HasPrefix(hex.EncodeToString(c.Fingerprint), prefix) {
				found = append(found, c)
			}
		}
		switch len(found) {
		case 0:
			return identity.ErrNotFound
		case 1:
			return f(tx, a, found[0])
		default:
			return fmt.Errorf("%w: that begins the fingerprints of %d cards", realm.ErrInput, len(found))
		}
	})
}

// NewBackupCodes implements AdminService.
func (s *Admin) NewBackupCodes(ctx context.Context, req *v1.NameRequest) (*v1.NewBackupCodesResponse, error) {
	var codes []identity.Secret
	view, err := s.onAccount(ctx, "account.backup-codes", req.GetName(), "", func(tx *store.Tx, a store.Account) (err error) {
		codes, _, err = s.credentials.NewBackupCodes(tx, a.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := &v1.NewBackupCodesResponse{Account: view}
	for _, c := range codes {
		resp.Codes = append(resp.Codes, string(c.Reveal()))
		c.Wipe()
	}
	return resp, nil
}

// RemoveBackupCodes implements AdminService.
func (s *Admin) RemoveBackupCodes(ctx context.Context, req *v1.NameRequest) (*v1.AccountView, error) {
	return s.onAccount(ctx, "account.remove-backup-codes", req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		return tx.RemoveBackupCodes(a.UUID)
	})
}

// keyType names a card's key for people.
func keyType(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return "unknown"
	}
}
