package seal

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// The keys below the storage key. None has a password or a policy on the
// machine's measurements (PCRs): an update of the firmware or of the kernel
// must lock nobody out. See docs/decisions/0006-sealing.md.

// ours are the attributes that all of them have: made for this TPM and this parent
// only, and outside the lock after wrong passwords, for there is none to guess.
func ours() tpm2.TPMAObject {
	return tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true}
}

func hmacTemplate() tpm2.TPMTPublic {
	a := ours()
	a.SensitiveDataOrigin, a.SignEncrypt = true, true
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: a,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{
			Scheme: tpm2.TPMTKeyedHashScheme{
				Scheme:  tpm2.TPMAlgHMAC,
				Details: tpm2.NewTPMUSchemeKeyedHash(tpm2.TPMAlgHMAC, &tpm2.TPMSSchemeHMAC{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
	}
}

func openingTemplate() tpm2.TPMTPublic {
	a := ours()
	a.SensitiveDataOrigin, a.Decrypt = true, true
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: a,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDH,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDH, &tpm2.TPMSKeySchemeECDH{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
	}
}

// formerTemplate is of data, not of a key: Unseal gives it back.
func formerTemplate() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: ours(),
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{}),
	}
}

// persistentSRK is where platforms keep a storage key made beforehand: TCG TPM v2.0
// Provisioning Guidance, 7.8.
const persistentSRK = tpm2.TPMHandle(0x81000001)

// hold is an object that is loaded.
type hold struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
}

func (h hold) with(s tpm2.Session) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: h.handle, Name: h.name, Auth: s}
}

// talk is an open TPM with the storage key loaded.
type talk struct {
	*line
	parent       hold
	parentPublic tpm2.TPMTPublic
	hmac         hold
	opening      hold
}

// begin opens the TPM and loads the storage key: the TCG's template for P-256,
// which gives the same key each time until the TPM is cleared. Nothing is left in
// the TPM: no persistent handle is used up, and nothing is to be cleaned away. Only
// where the owner has set a password is the persistent key used.
func begin(device string) (*talk, error) {
	l, err := dial(device)
	if err != nil {
		return nil, err
	}
	t := &talk{line: l}
	if err := t.loadParent(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return t, nil
}

func (t *talk) loadParent() error {
	made, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
		InPublic:      tpm2.New2B(tpm2.ECCSRKTemplate),
	}.Execute(t)
	var public *tpm2.TPMTPublic
	switch {
	case err == nil:
		t.parent.handle = made.ObjectHandle
		public, err = made.OutPublic.Contents()
	case errors.Is(err, tpm2.TPMRCBadAuth) || errors.Is(err, tpm2.TPMRCAuthFail):
		var kept *tpm2.ReadPublicResponse
		if kept, err = (tpm2.ReadPublic{ObjectHandle: persistentSRK}).Execute(t); err != nil {
			return errOwner
		}
		t.parent.handle = persistentSRK
		public, err = kept.OutPublic.Contents()
	}
	if err != nil {
		return fmt.Errorf("storage key: %w", err)
	}
	if public.Type != tpm2.TPMAlgECC || public.ObjectAttributes != tpm2.ECCSRKTemplate.ObjectAttributes {
		return errOwner
	}
	// The name is computed here from the key that sessions are salted with, not
	// believed: whoever sits between us and the TPM can then listen only if they
	// did so when the keys were made.
	name, err := tpm2.ObjectName(public)
	if err != nil {
		return fmt.Errorf("storage key: %w", err)
	}
	t.parent.name, t.parentPublic = *name, *public
	return nil
}

// private is a session for one command, whose first parameters, in and out, nobody
// reads on the way. It is made anew each time: a session that is kept for long
// ages, and then the TPM refuses everybody's (TPM_RC_CONTEXT_GAP).
func (t *talk) private() tpm2.Session { return t.session(tpm2.AESEncryption(128, tpm2.EncryptInOut)) }

func (t *talk) session(encrypt tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Salted(t.parent.handle, t.parentPublic), encrypt)
}

func (t *talk) create(template tpm2.TPMTPublic, data []byte) (object, error) {
	cmd := tpm2.Create{ParentHandle: t.parent.with(t.private()), InPublic: tpm2.New2B(template)}
	if data != nil {
		cmd.InSensitive.Sensitive = &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: data})}
	}
	made, err := cmd.Execute(t)
	if err != nil {
		return object{}, err //nolint:wrapcheck // the caller says which
	}
	return object{public: made.OutPublic.Bytes(), private: made.OutPrivate.Buffer}, nil
}

func (t *talk) load(o object) (hold, error) {
	r, err := tpm2.Load{
		ParentHandle: t.parent.with(tpm2.PasswordAuth(nil)),
		InPrivate:    tpm2.TPM2BPrivate{Buffer: o.private},
		InPublic:     tpm2.BytesAs2B[tpm2.TPMTPublic](o.public),
	}.Execute(t)
	if err != nil {
		return hold{}, err //nolint:wrapcheck // the caller says which
	}
	return hold{r.ObjectHandle, r.Name}, nil
}

// makeKeys makes new keys, and seals the file's key if there was one.
func (t *talk) makeKeys(former []byte, now int64) (*blob, error) {
	b := &blob{parent: t.parent.name.Buffer}
	var err error
	if b.hmac, err = t.create(hmacTemplate(), nil); err != nil {
		return nil, fmt.Errorf("make the HMAC key: %w", err)
	}
	if b.opening, err = t.create(openingTemplate(), nil); err != nil {
		return nil, fmt.Errorf("make the opening key: %w", err)
	}
	if former != nil {
		if b.former, err = t.create(formerTemplate(), former); err != nil {
			return nil, fmt.Errorf("seal the file's key: %w", err)
		}
		b.moved = now
	}
	return b, nil
}

// loadKeys loads what the blob holds and returns the file's key if one is sealed.
func (t *talk) loadKeys(b *blob) (former []byte, err error) {
	if !bytes.Equal(b.parent, t.parent.name.Buffer) {
		return nil, errOther
	}
	// First, and flushed: a TPM need not hold more than three objects at a time.
	if len(b.former.public) > 0 {
		if former, err = t.unseal(b.former); err != nil {
			return nil, fmt.Errorf("unseal the file's key: %w", err)
		}
	}
	if t.hmac, err = t.load(b.hmac); err != nil {
		return nil, fmt.Errorf("load the HMAC key: %w", err)
	}
	if t.opening, err = t.load(b.opening); err != nil {
		return nil, fmt.Errorf("load the opening key: %w", err)
	}
	return former, nil
}

func (t *talk) unseal(o object) ([]byte, error) {
	h, err := t.load(o)
	if err != nil {
		return nil, err
	}
	// Unseal has no parameter to encrypt on the way in.
	r, err := tpm2.Unseal{ItemHandle: h.with(t.session(tpm2.AESEncryption(128, tpm2.EncryptOut)))}.Execute(t)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says which
	}
	if _, err := (tpm2.FlushContext{FlushHandle: h.handle}).Execute(t); err != nil {
		return nil, err //nolint:wrapcheck // the caller says which
	}
	return r.OutData.Buffer, nil
}

func (t *talk) mac(data []byte) ([]byte, error) {
	r, err := tpm2.Hmac{
		Handle: t.hmac.with(t.private()), Buffer: tpm2.TPM2BMaxBuffer{Buffer: data}, HashAlg: tpm2.TPMAlgSHA256,
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("HMAC: %w", err)
	}
	return r.OutHMAC.Buffer, nil
}

// exchange is the x coordinate of the other's point times our key.
func (t *talk) exchange(with *ecdh.PublicKey) ([]byte, error) {
	p := with.Bytes()
	r, err := tpm2.ECDHZGen{KeyHandle: t.opening.with(t.private()), InPoint: tpm2.New2B(tpm2.TPMSECCPoint{
		X: tpm2.TPM2BECCParameter{Buffer: p[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: p[33:]},
	})}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("key exchange: %w", err)
	}
	out, err := r.OutPoint.Contents()
	if err != nil {
		return nil, fmt.Errorf("key exchange: %w", err)
	}
	shared := make([]byte, 32)
	if !place(shared, out.X.Buffer) {
		return nil, errors.New("key exchange: the coordinate is too long")
	}
	return shared, nil
}

// end gives back what is loaded, for a TPM without a resource manager.
func (t *talk) end() error {
	for _, h := range []tpm2.TPMHandle{t.hmac.handle, t.opening.handle, t.parent.handle} {
		if h != 0 && h != persistentSRK {
			_, _ = tpm2.FlushContext{FlushHandle: h}.Execute(t) // the line is closed anyway
		}
	}
	return t.Close() //nolint:wrapcheck // only for the log
}
