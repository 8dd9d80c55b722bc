package admin

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// RotateSSHKeys implements AdminService. Keys that an agent keeps are taken once the agent
// has signed with them.
func (s *Admin) RotateSSHKeys(ctx context.Context, req *v1.RotateSSHKeysRequest) (*v1.KeysView, error) {
	action := "keys.rotate_ssh"
	if req.GetEmergency() {
		action = "keys.rotate_ssh.emergency"
	}
	by := realm.SSHRotation{Emergency: req.GetEmergency(), IntoDatabase: req.GetIntoDatabase()}
	agents, more, err := s.agentKeys(ctx, req)
	if by.Agents = agents; err != nil {
		return nil, s.told(ctx, "rotate", "ssh keys", err)
	}
	v, err := s.keys(ctx, action, "ssh keys", more...).RotateSSH(ctx, req.GetRealmKey(), by)
	if err != nil {
		return nil, s.told(ctx, "rotate", "ssh keys", err)
	}
	s.askAgent(ctx, v)
	return v, nil
}

// agentKeys are the keys of a request that an agent keeps, and what the audit log says of
// them.
func (s *Admin) agentKeys(ctx context.Context, req *v1.RotateSSHKeysRequest) (by map[realm.KeyUse][]byte, said []string, err error) {
	given := map[realm.KeyUse][]byte{}
	for use, wire := range map[realm.KeyUse][]byte{realm.ForSSHUsers: req.GetUsersKey(), realm.ForSSHHosts: req.GetHostsKey()} {
		if len(wire) > 0 {
			given[use] = wire
		}
	}
	switch {
	case len(given) > 0 && req.GetIntoDatabase():
		return nil, nil, fmt.Errorf("%w: a key is kept by an agent or in the database, not both", realm.ErrInput)
	case len(given) == 2 && bytes.Equal(req.GetUsersKey(), req.GetHostsKey()):
		return nil, nil, realm.RefusalError("people's and hosts' certificates take a key each: whoever gets one of the two signed could otherwise stand for the other")
	}
	by = map[realm.KeyUse][]byte{}
	for use, wire := range given {
		public, err := ssh.ParsePublicKey(wire)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: not a public key of ssh: %w", realm.ErrInput, err)
		}
		if by[use], err = identity.SSHAuthorityOf(wire); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", realm.ErrInput, err)
		}
		if err := s.SSHAgent.Check(ctx, public); err != nil {
			return nil, nil, realm.RefusalError("nothing is changed: " + err.Error())
		}
		said = append(said, strings.ReplaceAll(string(use), " ", "_")+"="+ssh.FingerprintSHA256(public))
	}
	return by, said, nil
}

// askAgent says in a view why this server's agent does not sign.
func (s *Admin) askAgent(ctx context.Context, v *v1.KeysView) {
	if v.GetSshAgent() == nil {
		return
	}
	for _, line := range v.GetSshAgent().GetKeys() {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)) //nolint:dogsled // the key alone
		if err == nil {
			err = s.SSHAgent.Check(ctx, key)
		}
		if err != nil {
			v.SshAgent.Problem = err.Error()
			return
		}
	}
}
