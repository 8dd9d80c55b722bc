package sshca

import (
	"context"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/sshagent"
	"github.com/sallyport-auth/sallyport/server/store"
)

// LookAtAgent says in the log when the ssh-agent does not have the keys that it is to sign
// with. A server that only reads signs nothing.
func LookAtAgent(r *realm.Realm) func(context.Context) {
	w := &sshagent.Watch{Agent: r.SSHAgent, Log: r.Log}
	return func(ctx context.Context) {
		if r.Reads() != nil {
			return
		}
		var keys []ssh.PublicKey
		err := r.Store.Read(ctx, func(tx *store.Tx) error {
			list, err := r.AgentKeys(tx)
			for _, k := range list {
				if public, err := ssh.ParsePublicKey(identity.SSHAuthorityWire(k)); err == nil { // the database's
					keys = append(keys, public)
				}
			}
			return err
		})
		if err == nil { // whoever asks the database next says why
			w.Look(ctx, keys)
		}
	}
}
