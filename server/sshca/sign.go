package sshca

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// unsigned is what machines and people are told where an ssh-agent does not sign: another
// server may be able to. The server's log has more.
func unsigned() error {
	e := connect.NewError(connect.CodeUnavailable, errors.New("The realm's server cannot sign ssh certificates now, because the ssh-agent that keeps its key does not. "+ //nolint:staticcheck // a sentence for people
		"Its administrator sees why with \"sallyport-server keys show\"."))
	if d, err := connect.NewErrorDetail(&v1.AskAnother{}); err == nil {
		e.AddDetail(d)
	}
	return e
}

// sign signs certificates with that key of the database, outside of all transactions: an
// agent, or the module behind it, may take seconds.
func (a *Authority) sign(ctx context.Context, use realm.KeyUse, by store.SSHAuthority, list []*ssh.Certificate) error {
	public, err := ssh.ParsePublicKey(identity.SSHAuthorityWire(by.Public))
	if err != nil {
		return fmt.Errorf("key of ssh certificates: %w", err)
	}
	if !by.Agent {
		signer, err := a.opened(use, by)
		if err == nil {
			err = signAll(list, signer)
		}
		return err
	}
	signer, agent, err := a.SSHAgent.Signer(ctx, public)
	if err == nil {
		err = errors.Join(signAll(list, signer), agent.Close())
	}
	if err != nil {
		a.Log.ErrorContext(ctx, "an ssh certificate is not signed", "for", use, "error", err)
		return unsigned()
	}
	return nil
}

// opened is a key that the database keeps.
func (a *Authority) opened(use realm.KeyUse, by store.SSHAuthority) (ssh.Signer, error) {
	parsed, err := a.Box.OpenKey(use, by.Public, by.Sealed)
	if err != nil {
		return nil, fmt.Errorf("key of ssh certificates: %w", err)
	}
	key, is := parsed.(ed25519.PrivateKey)
	if !is || !bytes.Equal(by.Public, key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]) {
		return nil, errors.New("key of ssh certificates: not the key that the database names")
	}
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("key of ssh certificates: %w", err)
	}
	return s, nil
}

func signAll(list []*ssh.Certificate, signer ssh.Signer) error {
	for _, c := range list {
		if err := c.SignCert(rand.Reader, signer); err != nil {
			return fmt.Errorf("sign an ssh certificate: %w", err)
		}
	}
	return nil
}
