package sshagent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// DefaultSocket is where the server looks for the agent unless it is told otherwise;
// docs/ssh.md has a unit that makes it.
const DefaultSocket = "/run/sallyport-ca-agent/agent.sock"

// Timeout is how long an agent may take for the certificates of one request: a TPM takes
// half a second for each. It is less than a machine waits for one of two servers, which it
// would otherwise take for down.
const Timeout = 5 * time.Second

// Agent is an ssh-agent, by its socket.
type Agent struct{ Socket string }

// AwayError says why an agent does not sign.
type AwayError struct {
	Socket string
	Key    ssh.PublicKey
	Why    error
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("the ssh-agent at %s, which keeps the key %s of ssh certificates, %v", e.Socket, ssh.FingerprintSHA256(e.Key), e.Why)
}

func (e *AwayError) Unwrap() error { return e.Why }

// errLacks says that an agent answers, and has not the key.
var errLacks = errors.New("does not have the key (or is locked): load it with ssh-add, as docs/ssh.md says")

// Signer signs with the key of that public half until it is closed.
func (a Agent) Signer(ctx context.Context, key ssh.PublicKey) (ssh.Signer, io.Closer, error) {
	away := func(why error) error { return &AwayError{a.Socket, key, why} }
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", a.Socket)
	if err != nil {
		return nil, nil, away(fmt.Errorf("does not answer: %w", err))
	}
	deadline, _ := ctx.Deadline()
	err = conn.SetDeadline(deadline)
	var list []ssh.Signer
	if err == nil {
		list, err = agent.NewClient(conn).Signers()
	}
	if err != nil {
		return nil, nil, errors.Join(away(fmt.Errorf("does not answer: %w", err)), conn.Close())
	}
	for _, s := range list {
		by, can := s.(ssh.AlgorithmSigner)
		if can && bytes.Equal(s.PublicKey().Marshal(), key.Marshal()) {
			return &signer{by, key, away}, conn, nil
		}
	}
	return nil, nil, errors.Join(away(errLacks), conn.Close())
}

// Check has the agent sign something that is no certificate with each key.
func (a Agent) Check(ctx context.Context, keys ...ssh.PublicKey) error {
	for _, k := range keys {
		s, c, err := a.Signer(ctx, k)
		if err != nil {
			return err
		}
		_, err = s.Sign(nil, []byte("sallyport: is this key there?"))
		if err = errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}

// signer believes no signature that does not verify.
type signer struct {
	by   ssh.AlgorithmSigner
	key  ssh.PublicKey
	away func(error) error
}

var _ ssh.AlgorithmSigner = (*signer)(nil)

// PublicKey implements ssh.Signer.
func (s *signer) PublicKey() ssh.PublicKey { return s.key }

// Sign implements ssh.Signer. RSA signatures are by SHA-512: sshd takes none by SHA-1.
func (s *signer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	algorithm := s.key.Type()
	if algorithm == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA512
	}
	return s.SignWithAlgorithm(rand, data, algorithm)
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (s *signer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signature, err := s.by.SignWithAlgorithm(rand, data, algorithm)
	if err != nil {
		return nil, s.away(fmt.Errorf("does not sign: %w", err))
	}
	if signature.Format != algorithm {
		return nil, s.away(fmt.Errorf("does not sign: it made a signature of the form %q, not %q", signature.Format, algorithm))
	}
	if err := s.key.Verify(data, signature); err != nil {
		return nil, s.away(fmt.Errorf("does not sign: its signature is wrong: %w", err))
	}
	return signature, nil
}
