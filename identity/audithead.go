package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
)

const typeAuditHead = "application/sallyport-audit-head+cbor"

// AuditHead is one row of a realm's audit log, signed with the realm key: all rows up to
// it were so at that time. Kept elsewhere it shows that the log was made anew since, by
// whoever may write to the database and has not the realm key.
type AuditHead struct {
	Realm string `cbor:"1,keyasint"`
	ID    int64  `cbor:"2,keyasint"` // the row's number
	Hash  []byte `cbor:"3,keyasint"` // its SHA-256, which covers every row before
	Time  int64  `cbor:"4,keyasint"` // when it was signed, in Unix seconds
}

// SignAuditHead signs h. The signer's key is the realm key.
func (s *Signer) SignAuditHead(h *AuditHead) ([]byte, error) { return s.sign(typeAuditHead, h) }

// OpenAuditHead verifies with a realm key, and decodes. Every failure is [ErrToken].
func OpenAuditHead(realmKey ed25519.PublicKey, signed []byte) (*AuditHead, error) {
	h := new(AuditHead)
	if err := openWith(realmKey, typeAuditHead, signed, h); err != nil {
		return nil, err
	}
	if h.ID < 1 || len(h.Hash) != sha256.Size {
		return nil, fmt.Errorf("%w: audit head of row %d with a hash of %d bytes", ErrToken, h.ID, len(h.Hash))
	}
	return h, nil
}
