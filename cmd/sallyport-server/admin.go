package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// adminTimeout bounds a command, waiting for another one included.
const adminTimeout = 30 * time.Second

// verb is one administrator's command: its names, its flags, what it calls.
type verb struct {
	names, most int // most is 0 when it is names
	flags       func(*flags) request
}

// request calls the server with what the flags were found to hold.
type request func(context.Context, sallyportv1connect.AdminServiceClient, *flags) (proto.Message, error)

func runAdmin(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	verb, rest := args[0], args[1:]
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		verb, rest = verb+" "+rest[0], rest[1:]
	}
	if file, ok := strings.CutPrefix(verb, "realm-key "); ok && (file == "export" || file == "remove") {
		return runRealmKeyFile(file, rest)
	}
	c, ok := commands()[verb]
	if !ok {
		return fmt.Errorf("%w: %s", errUsage, command.Unknown(verb, names()))
	}
	var folder string
	var asJSON bool
	f := newFlags(verb)
	f.StringVar(&folder, "dir", realm.DefaultDir, "")
	f.BoolVar(&asJSON, "json", false, "")
	call := c.flags(f)
	if err := f.parseRange(rest, c.names, max(c.names, c.most)); err != nil {
		return err
	}
	client, closer, err := server.Admin(ctx, folder, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	return finish(ctx, client, closer, f, call, shower{url: realm.Address(folder), asJSON: asJSON})
}

func finish(ctx context.Context, client sallyportv1connect.AdminServiceClient, closer io.Closer, f *flags, call request, out shower) error {
	answer, err := call(ctx, client, f)
	if err == nil {
		err = out.show(os.Stdout, answer)
	}
	if cerr := closer.Close(); err == nil {
		err = cerr
	}
	return err
}

// simple is a command that takes names and nothing else.
func simple(names int, call request) verb {
	return verb{names: names, flags: func(*flags) request { return call }}
}

// on is a command on one name.
func on[M proto.Message](method func(sallyportv1connect.AdminServiceClient, context.Context, *v1.NameRequest) (M, error)) verb {
	return simple(1, func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		return method(c, ctx, &v1.NameRequest{Name: f.name(0)})
	})
}

// all is a command that lists.
func all[M proto.Message](method func(sallyportv1connect.AdminServiceClient, context.Context, *v1.ListRequest) (M, error)) verb {
	return simple(0, func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *flags) (proto.Message, error) {
		return method(c, ctx, &v1.ListRequest{})
	})
}

// names are those of all commands, for who typed one that is none.
func names() []string {
	own := []string{"setup", "init", "serve", "backup", "restore", "card-keys", "realm-key export", "realm-key remove", "version", "help"}
	return append(slices.Collect(maps.Keys(commands())), own...)
}

func commands() map[string]verb {
	type client = sallyportv1connect.AdminServiceClient
	return map[string]verb{
		"account add":          {names: 1, flags: accountAdd},
		"account show":         on(client.ShowAccount),
		"account list":         all(client.ListAccounts),
		"account disable":      setState(true),
		"account enable":       setState(false),
		"account unlock":       on(client.UnlockAccount),
		"account remove":       on(client.RemoveAccount),
		"account set-password": {names: 1, flags: setPassword},
		"account set":          {names: 1, flags: accountSet},
		"account add-key":      {names: 1, most: 2, flags: addKey},
		"account remove-key": simple(2, func(ctx context.Context, c client, f *flags) (proto.Message, error) {
			return c.RemoveSSHKey(ctx, &v1.RemoveSSHKeyRequest{Name: f.name(0), Tag: f.name(1)})
		}),
		"account add-totp":            {names: 1, flags: addTOTP},
		"account remove-totp":         on(client.RemoveTOTP),
		"account add-card":            {names: 1, most: 2, flags: addCard},
		"account revoke-card":         onCard(client.RevokeCard),
		"account remove-card":         onCard(client.RemoveCard),
		"account backup-codes":        on(client.NewBackupCodes),
		"account remove-backup-codes": on(client.RemoveBackupCodes),
		"realm show": simple(0, func(ctx context.Context, c client, _ *flags) (proto.Message, error) {
			return c.ShowRealm(ctx, &v1.ShowRealmRequest{})
		}),
		"realm set":        {flags: realmSet},
		"realm histories":  all(client.ListHistories),
		"realm release-id": simple(1, releaseID),
		"group add":        {names: 1, flags: groupAdd},
		"group show":       on(client.ShowGroup),
		"group list":       all(client.ListGroups),
		"group remove":     on(client.RemoveGroup),
		"group add-member": simple(2, func(ctx context.Context, c client, f *flags) (proto.Message, error) {
			return c.AddMember(ctx, &v1.MemberRequest{Group: f.name(0), Member: f.name(1)})
		}),
		"group remove-member": simple(2, func(ctx context.Context, c client, f *flags) (proto.Message, error) {
			return c.RemoveMember(ctx, &v1.MemberRequest{Group: f.name(0), Member: f.name(1)})
		}),
		"group set":          {names: 1, flags: groupSet},
		"machine add":        {names: 1, flags: machineAdd},
		"machine set":        {names: 1, flags: machineSet},
		"machine list":       all(client.ListMachines),
		"machine remove":     on(client.RemoveMachine),
		"machine rejoin":     on(client.RejoinMachine),
		"machine quarantine": on(client.QuarantineMachine),
		"machine release":    on(client.ReleaseMachine),
		"keys rotate":        {flags: keysRotate},
		"keys sign": withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.SignKeys(ctx, &v1.SignKeysRequest{RealmKey: key})
		}),
		"keys new-ca": withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.RenewCA(ctx, &v1.RenewCARequest{RealmKey: key})
		}),
		"keys show": simple(0, func(ctx context.Context, c client, _ *flags) (proto.Message, error) {
			return c.ShowKeys(ctx, &v1.ShowKeysRequest{})
		}),
		"realm-key rotate": withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.RotateRealmKey(ctx, &v1.RotateRealmKeyRequest{RealmKey: key})
		}),
		"realm-key new": simple(0, func(ctx context.Context, c client, _ *flags) (proto.Message, error) {
			return c.RotateRealmKey(ctx, &v1.RotateRealmKeyRequest{Lost: true})
		}),
		"audit":        {flags: audit},
		"audit verify": {flags: auditVerify},
		"audit sign": withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.SignAudit(ctx, &v1.SignAuditRequest{RealmKey: key})
		}),
		"audit prune": {flags: auditPrune},
	}
}
