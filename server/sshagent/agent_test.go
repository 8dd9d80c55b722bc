package sshagent_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/sshagent"
)

// Promise ca-agent.
func TestAnAgentSignsWithEachKindOfKeyAsSSHDTakesIt(t *testing.T) {
	real := servertest.NewSSHAgent(t)
	for kind, format := range map[string]string{
		"-t ed25519":      ssh.KeyAlgoED25519,
		"-t ecdsa -b 256": ssh.KeyAlgoECDSA256,
		"-t ecdsa -b 384": ssh.KeyAlgoECDSA384,
		"-t rsa -b 3072":  ssh.KeyAlgoRSASHA512,
	} {
		key, _ := real.Add(kind)
		s, c, err := sshagent.Agent{Socket: real.Socket}.Signer(t.Context(), key)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		cert := &ssh.Certificate{Key: key, CertType: ssh.UserCert, ValidPrincipals: []string{"x"}, ValidBefore: ssh.CertTimeInfinity}
		if err := cert.SignCert(rand.Reader, s); err != nil || cert.Signature.Format != format {
			t.Errorf("%s: %v, %v", kind, cert.Signature, err)
		}
		if err := (&ssh.CertChecker{}).CheckCert("x", cert); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Promise ca-agent-away.
func TestAnAgentThatDoesNotSignIsNamedWithItsReason(t *testing.T) {
	real := servertest.NewSSHAgent(t)
	a := sshagent.Agent{Socket: real.Socket}
	key, _ := real.Add("-t ed25519")
	if err := a.Check(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	says := func(why string) {
		t.Helper()
		var away *sshagent.AwayError
		err := a.Check(t.Context(), key)
		if !errors.As(err, &away) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), real.Socket) || !strings.Contains(err.Error(), ssh.FingerprintSHA256(key)) {
			t.Errorf("%v, which does not say %q", err, why)
		}
	}
	real.Lock()
	says("does not have the key")
	real.Kill()
	says("does not answer")
	real.Start()
	says("does not have the key")
	real.Add("-t ed25519")
	says("does not have the key")
	real.Signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := a.Check(ctx, key); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("one that hangs: %v", err)
	}
}

// liar is an agent that shows the keys of another, and signs what it likes.
type liar struct {
	agent.Agent
	sign func(ssh.PublicKey) (*ssh.Signature, error)
}

func (l liar) Sign(k ssh.PublicKey, _ []byte) (*ssh.Signature, error) { return l.sign(k) }

func (l liar) SignWithFlags(k ssh.PublicKey, _ []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	return l.sign(k)
}

func (liar) Extension(string, []byte) ([]byte, error) { return nil, agent.ErrExtensionUnsupported }

// Promise ca-agent.
func TestNoSignatureOfAnAgentIsBelievedThatDoesNotVerify(t *testing.T) {
	real := servertest.NewSSHAgent(t)
	key, _ := real.Add("-t rsa -b 3072")
	conn, err := net.Dial("unix", real.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	behind := agent.NewClient(conn)
	socket := filepath.Join(filepath.Dir(real.Socket), "liar.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lies := map[string]func(ssh.PublicKey) (*ssh.Signature, error){
		"the signature of something else": func(k ssh.PublicKey) (*ssh.Signature, error) {
			return behind.SignWithFlags(k, []byte("something else"), agent.SignatureFlagRsaSha512)
		},
		"a signature by SHA-1, which sshd refuses": func(k ssh.PublicKey) (*ssh.Signature, error) {
			return behind.Sign(k, []byte("sallyport: is this key there?"))
		},
		"none":       func(ssh.PublicKey) (*ssh.Signature, error) { return nil, io.ErrUnexpectedEOF },
		"an empty":   func(ssh.PublicKey) (*ssh.Signature, error) { return &ssh.Signature{}, nil },
		"no numbers": func(ssh.PublicKey) (*ssh.Signature, error) { return &ssh.Signature{Format: ssh.KeyAlgoRSASHA512}, nil },
	}
	for sentence, sign := range lies {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if c, err := l.Accept(); err == nil {
				_ = agent.ServeAgent(liar{behind, sign}, c)
			}
		}()
		err := sshagent.Agent{Socket: socket}.Check(t.Context(), key)
		if err == nil || !strings.Contains(err.Error(), "does not sign") {
			t.Errorf("%s: %v", sentence, err)
		}
		<-done
	}
}

// Promise ca-agent-away.
func TestATroubleOfAnAgentIsToldOnceAndItsEnd(t *testing.T) {
	real := servertest.NewSSHAgent(t)
	key, file := real.Add("-t ed25519")
	var log bytes.Buffer
	w := &sshagent.Watch{Agent: sshagent.Agent{Socket: real.Socket}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	look := func(want string) {
		t.Helper()
		log.Reset()
		w.Look(t.Context(), []ssh.PublicKey{key})
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	look("")
	real.Kill()
	look("does not answer")
	look("")
	real.Start()
	look("does not have the key")
	look("")
	real.AddFile(file)
	look("has the keys of ssh certificates again")
	look("")
}
