// Package hostcert keeps certificates of this machine's ssh host keys, which the realm
// signs. sshd shows them to people, so that nobody has to believe a key at first sight.
//
// It reads the public halves of sshd's keys and writes a file beside none of them: KEY-cert.pub
// in a folder of the daemon's own, which sshd is told of. A certificate is renewed each day,
// because the realm may call the machine by other names, and when its key or the realm's is
// another one. What cannot be renewed stays until it is over, which takes two weeks.
//
//	the realm makes      the file is
//	certificates         there, and renewed
//	none, or no more     removed
package hostcert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/daemon/hops"
)

const (
	// lookEvery is how often the files here are looked at, and noticeEvery whether the realm
	// has other keys. askAgain is after how long the realm is asked again that did not answer.
	lookEvery   = time.Minute
	noticeEvery = 2 * time.Second
	askAgain    = time.Minute
	// daily is how old a certificate may be.
	daily = 24 * time.Hour
	// askTimeout bounds one question.
	askTimeout = 20 * time.Second
	// maxKey bounds a file of a public key.
	maxKey = 16 << 10
)

// Keeper keeps them. All fields must be set.
type Keeper struct {
	// Certify has keys signed, in ssh's wire form, and Authorities are the keys that the
	// realm does it with, as the key list has them; none: it makes no certificates.
	Certify     func(ctx context.Context, public [][]byte) (certificates [][]byte, until time.Time, err error)
	Authorities func() [][]byte
	// Keys is the folder of sshd's keys, Folder that of the certificates.
	Keys, Folder string
	Now          func() time.Time
	Log          *slog.Logger

	asked, failed time.Time
}

// Run keeps them until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	var by [][]byte
	var looked time.Time
	for {
		now, is := k.Now(), k.Authorities()
		if now.Sub(looked).Abs() >= lookEvery || !slices.EqualFunc(is, by, bytes.Equal) {
			looked, by = now, is
			if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
				k.Log.WarnContext(ctx, "the ssh host certificates of this machine are not renewed", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// hostKey is one of sshd's keys, and where its certificate is.
type hostKey struct {
	public ssh.PublicKey
	file   string
}

// Keep does what is due now.
func (k *Keeper) Keep(ctx context.Context) error {
	authorities := k.Authorities()
	if len(authorities) == 0 {
		return k.remove(nil)
	}
	keys, err := k.keys()
	if err != nil || len(keys) == 0 {
		return err
	}
	now := k.Now()
	due := now.Sub(k.asked).Abs() >= daily || slices.ContainsFunc(keys, func(h hostKey) bool { return k.due(h, authorities) })
	if !due || now.Sub(k.failed).Abs() < askAgain {
		return nil
	}
	if err := k.renew(ctx, keys, authorities); err != nil {
		k.failed = now
		return err
	}
	k.asked, k.failed = now, time.Time{}
	return k.remove(keys)
}

// keys are sshd's public keys.
func (k *Keeper) keys() ([]hostKey, error) {
	names, err := filepath.Glob(filepath.Join(k.Keys, "ssh_host_*_key.pub"))
	if err != nil {
		return nil, fmt.Errorf("look for ssh host keys: %w", err)
	}
	var list []hostKey
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || len(text) > maxKey {
			continue // sshd uses another, or none
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey(text) //nolint:dogsled // the key alone
		if err != nil || public.Type() == ssh.KeyAlgoDSA {   //nolint:staticcheck // to leave it out
			continue
		}
		list = append(list, hostKey{public, filepath.Join(k.Folder, strings.TrimSuffix(filepath.Base(name), ".pub")+"-cert.pub")})
	}
	return list, nil
}

// due tells whether the certificate of that key has to be made anew.
func (*Keeper) due(h hostKey, authorities [][]byte) bool {
	text, err := os.ReadFile(h.file)
	if err != nil {
		return true
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey(text) //nolint:dogsled // the key alone
	c, is := parsed.(*ssh.Certificate)
	if err != nil || !is {
		return true
	}
	return !bytes.Equal(c.Key.Marshal(), h.public.Marshal()) || !hops.SignedBy(c, authorities)
}

func (k *Keeper) renew(ctx context.Context, keys []hostKey, authorities [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var public [][]byte
	for _, h := range keys {
		public = append(public, h.public.Marshal())
	}
	certificates, _, err := k.Certify(ctx, public)
	if err != nil {
		return err
	}
	if len(certificates) != len(keys) {
		return fmt.Errorf("%d certificates for %d keys", len(certificates), len(keys))
	}
	if err := os.MkdirAll(k.Folder, 0o700); err != nil {
		return fmt.Errorf("ssh host certificates: %w", err)
	}
	for i, h := range keys {
		parsed, err := ssh.ParsePublicKey(certificates[i])
		c, is := parsed.(*ssh.Certificate)
		if err != nil || !is || c.CertType != ssh.HostCert || !bytes.Equal(c.Key.Marshal(), h.public.Marshal()) || !hops.SignedBy(c, authorities) {
			return errors.New("the realm sent something else than a certificate of this machine's key")
		}
		if err := write(h.file, ssh.MarshalAuthorizedKey(c)); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file whole or not at all.
func write(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write a host certificate: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write a host certificate: %w", err)
	}
	return nil
}

// remove removes the certificates of all keys but those.
func (k *Keeper) remove(keys []hostKey) error {
	files, err := filepath.Glob(filepath.Join(k.Folder, "*-cert.pub"))
	if err != nil {
		return fmt.Errorf("look for host certificates: %w", err)
	}
	for _, f := range files {
		if slices.ContainsFunc(keys, func(h hostKey) bool { return h.file == f }) {
			continue
		}
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("remove a host certificate: %w", err)
		}
	}
	return nil
}
