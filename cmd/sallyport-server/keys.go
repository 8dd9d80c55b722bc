package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// realmKeyFlag reads the realm key from the file that is named.
func realmKeyFlag(f *command.Flags, into *[]byte) {
	f.Func("realm-key", "`file` of the realm key, where it is kept elsewhere", func(file string) error {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read realm key: %w", err)
		}
		*into = b
		return nil
	})
}

// rotation replaces keys; emergency says what that option does.
func rotation[T proto.Message](emergency string, call func(sallyportv1connect.AdminServiceClient, context.Context, *v1.RotateKeysRequest) (T, error)) prepare {
	return func(f *command.Flags) request {
		req := &v1.RotateKeysRequest{}
		f.BoolVar(&req.Emergency, "emergency", false, emergency)
		realmKeyFlag(f, &req.RealmKey)
		return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
			defer clear(req.RealmKey)
			return call(c, ctx, req)
		}
	}
}

// rotateSSH replaces the keys of ssh certificates.
func rotateSSH(f *command.Flags) request {
	req := &v1.RotateSSHKeysRequest{}
	f.BoolVar(&req.Emergency, "emergency", false, "drop the old keys at once: one was stolen")
	publicKeyFlag(f, "users-key", "public key `file`: the ssh-agent keeps this key, for people's certificates", &req.UsersKey)
	publicKeyFlag(f, "hosts-key", "public key `file`: the ssh-agent keeps this key, for hosts' certificates", &req.HostsKey)
	f.BoolVar(&req.IntoDatabase, "into-database", false, "keep the new keys in the database, where an ssh-agent kept those before")
	realmKeyFlag(f, &req.RealmKey)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		defer clear(req.RealmKey)
		return c.RotateSSHKeys(ctx, req)
	}
}

// publicKeyFlag reads a public key of ssh from the file that is named.
func publicKeyFlag(f *command.Flags, name, usage string, into *[]byte) {
	f.Func(name, usage, func(file string) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read public key: %w", err)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text) //nolint:dogsled // the key alone
		if err != nil {
			return fmt.Errorf("%s is no public key of ssh, such as ssh-keygen writes into a file .pub: %w", file, err)
		}
		*into = key.Marshal()
		return nil
	})
}

// withRealmKey is a command that takes the realm key and nothing else.
func withRealmKey(call func(ctx context.Context, c sallyportv1connect.AdminServiceClient, realmKey []byte) (proto.Message, error)) prepare {
	return func(f *command.Flags) request {
		var key []byte
		realmKeyFlag(f, &key)
		return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
			defer clear(key)
			return call(ctx, c, key)
		}
	}
}

// realmKeyExport copies the realm key out of the folder.
func realmKeyExport(f *command.Flags) command.Action {
	folder := dirFlag(f)
	return func(context.Context) error {
		if err := realm.ExportRealmKey(*folder, f.Name(0)); err != nil {
			return err
		}
		fmt.Printf("The realm key is copied to %s. Keep that where nobody but the realm's owner can read it.\n", f.Name(0))
		return nil
	}
}

// realmKeyRemove takes it out of the folder.
func realmKeyRemove(f *command.Flags) command.Action {
	folder := dirFlag(f)
	copied := f.String("copy", "", "`file` of the copy that is kept elsewhere, which is compared first")
	return func(context.Context) error {
		if *copied == "" {
			return command.Usage("--copy FILE is missing: the copy that is kept elsewhere, to be compared first")
		}
		if err := realm.RemoveRealmKey(*folder, *copied); err != nil {
			return err
		}
		fmt.Println("The realm key is out of the folder. Commands that need it take --realm-key FILE.")
		return nil
	}
}

// keys writes the realm's keys.
func keys(w io.Writer, k *v1.KeysView) {
	here := "not in the folder"
	if k.GetRealmKeyHere() {
		here = "in the folder"
	}
	fmt.Fprintf(w, "realm\t%s\nrealm key\t%s\t%s\nkey list\tversion %d, signed %s\n", k.GetRealm(), k.GetRealmKey(), here, k.GetVersion(), stamp(k.GetSigned()))
	for i, s := range k.GetSigningKeys() {
		fmt.Fprintf(w, "%s\t%s\n", map[bool]string{true: "signs now", false: "still verifies"}[i == 0], s)
	}
	for _, t := range k.GetTls() {
		fmt.Fprintf(w, "tls\t%s\n", t)
	}
	agent := k.GetSshAgent()
	for i, list := range [][]string{k.GetSshUsers(), k.GetSshHosts()} {
		use := []string{"ssh users", "ssh hosts"}[i]
		for _, s := range list {
			where := ""
			if slices.Contains(agent.GetKeys(), s) {
				where = "\tan ssh-agent keeps it"
			}
			fmt.Fprintf(w, "%s\t%s%s\n", use, s, where)
		}
	}
	if agent != nil {
		state := "has the keys, and signs"
		if agent.GetProblem() != "" {
			state = "problem: " + agent.GetProblem()
		}
		fmt.Fprintf(w, "ssh-agent\t%s\t%s\n", agent.GetSocket(), state)
	}
	fmt.Fprintf(w, "fingerprint\t%s\n", k.GetFingerprint())
	if k.GetProblem() != "" {
		fmt.Fprintf(w, "problem\t%s\n", strings.TrimSpace(k.GetProblem()))
	}
}
