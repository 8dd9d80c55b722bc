package realm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
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

// sshLines are listed keys as in authorized_keys.
func sshLines(keys [][]byte) ([]string, error) {
	var lines []string
	for _, k := range keys {
		public, err := ssh.ParsePublicKey(identity.SSHAuthorityWire(k))
		if err != nil {
			return nil, fmt.Errorf("ssh key: %w", err)
		}
		lines = append(lines, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
	}
	return lines, nil
}

// SSHRotation says by what the keys of ssh certificates are replaced.
type SSHRotation struct {
	// Emergency has the old ones count no more, and the new ones sign at once.
	Emergency bool
	// Agents are keys whose private halves ssh-agents keep, by their use, as
	// identity.SSHAuthorityOf has them. Where there are some, the other use stays as it is.
	Agents map[KeyUse][]byte
	// IntoDatabase lets keys in the database take the place of those that an agent keeps.
	IntoDatabase bool
}

// RotateSSH makes new keys for ssh certificates, or takes those of an agent.
func (k Keys) RotateSSH(ctx context.Context, realmKey []byte, s SSHRotation) (*v1.KeysView, error) {
	return k.change(ctx, func(tx *store.Tx) error {
		for _, use := range []KeyUse{ForSSHUsers, ForSSHHosts} {
			given, is := s.Agents[use]
			if !is && len(s.Agents) > 0 {
				continue
			}
			if err := k.rotateSSH(tx, use, given, s); err != nil {
				return err
			}
		}
		_, err := k.reissue(tx, realmKey, nil)
		return err
	})
}

func (k Keys) rotateSSH(tx *store.Tx, use KeyUse, given []byte, s SSHRotation) error {
	old, err := tx.SSHAuthorities(string(use))
	if err != nil {
		return err
	}
	if given == nil && len(old) > 0 && old[0].Agent && !s.IntoDatabase {
		return RefusalError("an ssh-agent keeps the key of " + string(use) + ", and new keys would be kept in the database: say --into-database if that is meant, " +
			"or name the agent's next keys with --users-key and --hosts-key")
	}
	newest := given != nil && len(old) > 0 && bytes.Equal(old[0].Public, given)
	if newest && !s.Emergency {
		return RefusalError("that key of " + string(use) + " is the newest already; with --emergency it alone would count, at once")
	}
	keep := sshKept - 1
	if s.Emergency {
		keep = 0
	}
	for i, a := range old {
		if i < keep && !bytes.Equal(a.Public, given) {
			continue
		}
		if err := tx.RemoveSSHAuthority(a.Public); err != nil {
			return err
		}
	}
	a := store.SSHAuthority{Public: given, Agent: true, Made: k.Now()}
	if given == nil {
		if a, err = k.newSSH(use); err != nil {
			return err
		}
	}
	return tx.AddSSHAuthority(string(use), a)
}

// newSSH makes a key that the database keeps.
func (k Keys) newSSH(use KeyUse) (store.SSHAuthority, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return store.SSHAuthority{}, fmt.Errorf("make a key of ssh certificates: %w", err)
	}
	sealed, err := k.Box.sealKey(use, public, key)
	return store.SSHAuthority{Public: public, Sealed: sealed, Made: k.Now()}, err
}

// SSHAuthority is the key that signs ssh certificates of that use now; [ErrNoSSH] where the
// realm makes none.
func (r *Realm) SSHAuthority(tx *store.Tx, use KeyUse) (store.SSHAuthority, error) {
	list, err := tx.SSHAuthorities(string(use))
	if err != nil {
		return store.SSHAuthority{}, err
	}
	if len(list) == 0 {
		return store.SSHAuthority{}, ErrNoSSH
	}
	if len(list) > 1 && r.Now().Sub(list[0].Made) < sshOverlap {
		return list[1], nil
	}
	return list[0], nil
}

// AgentKeys are those that this server's ssh-agent has to have: the newest of each use, and
// the one that signs until then.
func (r *Realm) AgentKeys(tx *store.Tx) (keys [][]byte, err error) {
	for _, use := range []KeyUse{ForSSHUsers, ForSSHHosts} {
		list, err := tx.SSHAuthorities(string(use))
		if err != nil {
			return nil, err
		}
		for i, a := range list {
			if a.Agent && (i == 0 || r.Now().Sub(list[0].Made) < sshOverlap) {
				keys = append(keys, a.Public)
			}
		}
	}
	return keys, nil
}

// sshListed bounds what a key list may name.
var _ [identity.MaxSSHAuthorities - sshKept]struct{}
