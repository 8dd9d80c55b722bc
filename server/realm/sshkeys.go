package realm

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// sshOverlap is for how long a new key of ssh certificates is only listed: machines learn of
// it before anything is signed with it. The one before signs until then.
const sshOverlap = time.Hour

// sshKept is how many keys of each use there are: one signs, or did before.
const sshKept = 2

// ErrNoSSH says that the realm makes no ssh certificates.
var ErrNoSSH = RefusalError("this realm makes no ssh certificates: its administrator turns them on with \"sallyport-server keys rotate-ssh\"")

// sshAuthorities are the public halves, of people's certificates and of hosts'.
func sshAuthorities(tx *store.Tx) (users, hosts [][]byte, err error) {
	for _, one := range []struct {
		use  KeyUse
		into *[][]byte
	}{{ForSSHUsers, &users}, {ForSSHHosts, &hosts}} {
		list, err := tx.SSHAuthorities(string(one.use))
		if err != nil {
			return nil, nil, err
		}
		for _, a := range list {
			*one.into = append(*one.into, a.Public)
		}
	}
	return users, hosts, nil
}

// sshLines are keys as in authorized_keys.
func sshLines(keys [][]byte) ([]string, error) {
	var lines []string
	for _, k := range keys {
		public, err := ssh.NewPublicKey(ed25519.PublicKey(k))
		if err != nil {
			return nil, fmt.Errorf("ssh key: %w", err)
		}
		lines = append(lines, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
	}
	return lines, nil
}

// RotateSSH makes new keys for ssh certificates. In an emergency the old ones count no more,
// and the new ones sign at once.
func (k Keys) RotateSSH(ctx context.Context, realmKey []byte, emergency bool) (*v1.KeysView, error) {
	return k.change(ctx, func(tx *store.Tx) error {
		for _, use := range []KeyUse{ForSSHUsers, ForSSHHosts} {
			if err := k.rotateSSH(tx, use, emergency); err != nil {
				return err
			}
		}
		_, err := k.reissue(tx, realmKey, nil)
		return err
	})
}

func (k Keys) rotateSSH(tx *store.Tx, use KeyUse, emergency bool) error {
	old, err := tx.SSHAuthorities(string(use))
	if err != nil {
		return err
	}
	keep := sshKept - 1
	if emergency {
		keep = 0
	}
	for _, a := range old[min(keep, len(old)):] {
		if err := tx.RemoveSSHAuthority(a.Public); err != nil {
			return err
		}
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key of ssh certificates: %w", err)
	}
	sealed, err := k.Box.sealKey(use, public, key)
	if err != nil {
		return err
	}
	return tx.AddSSHAuthority(string(use), store.SSHAuthority{Public: public, Sealed: sealed, Made: k.Now()})
}

// SSHSigner signs ssh certificates of that use; [ErrNoSSH] where the realm makes none.
func (r *Realm) SSHSigner(tx *store.Tx, use KeyUse) (ssh.Signer, error) {
	list, err := tx.SSHAuthorities(string(use))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrNoSSH
	}
	a := list[0]
	if len(list) > 1 && r.Now().Sub(a.Made) < sshOverlap {
		a = list[1]
	}
	parsed, err := r.Box.OpenKey(use, a.Public, a.Sealed)
	if err != nil {
		return nil, fmt.Errorf("key of ssh certificates: %w", err)
	}
	key, is := parsed.(ed25519.PrivateKey)
	if !is || !a.Public.Equal(key.Public()) {
		return nil, errors.New("key of ssh certificates: not the key that the database names")
	}
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("key of ssh certificates: %w", err)
	}
	return s, nil
}

// sshListed bounds what a key list may name.
var _ [identity.MaxSSHAuthorities - sshKept]struct{}
