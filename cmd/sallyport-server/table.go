package main

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

func table() command.Table {
	rows := []command.Row{
		{Name: "setup", Help: "make a realm, start its unit and add the first account", Prepare: runSetup},
		{Name: "init", Help: "make a realm in a folder", Prepare: runInit},
		{Name: "serve", Help: "serve the realm", Prepare: runServe},
		{Name: "backup", Args: "FILE", Help: "write all of the realm into a file, also while the server runs", Prepare: runBackup},
		{Name: "restore", Args: "FILE", Help: "make the realm of a backup", Prepare: runRestore},
		{Name: "move", Help: "move a realm from its file into a PostgreSQL database", Prepare: runMove},
		{Name: "migrate", Help: "bring the tables of a PostgreSQL database up to date", Prepare: runMigrate},
		{Name: "card-keys", Args: "FOLDER", Help: "make all keys that mutual authentication with cards needs", Prepare: runCardKeys},
		{Name: "realm-key export", Args: "FILE", Help: "copy the realm key, to be kept elsewhere", Prepare: realmKeyExport},
		{Name: "realm-key remove", Help: "take the realm key out of the folder", Prepare: realmKeyRemove},
		{Name: "version", Help: "print the version", Prepare: func(*command.Flags) command.Action {
			return func(context.Context) error {
				_, err := fmt.Println("sallyport-server", version)
				return err
			}
		}},
	}
	return command.Table{
		Program: "sallyport-server", Manual: "sallyport-server(8)", Rows: slices.Concat(accountRows(), groupRows(), requestRows(), identityRows(), applicationRows(), partnerRows(), realmRows(), rows),
		About: "sallyport-server keeps a realm's accounts and serves them to its machines.",
		After: "Those on a realm take --dir DIR; most take --json. TIME is 2006-01-02 or RFC 3339.",
	}
}

type client = sallyportv1connect.AdminServiceClient

func accountRows() []command.Row {
	return []command.Row{
		admin("account add", "NAME", "add an account", accountAdd),
		admin("account show", "NAME", "show an account", on(client.ShowAccount)),
		admin("account list", "", "list accounts", all(client.ListAccounts)),
		admin("account disable", "NAME", "keep the account out until it is enabled", setState(true)),
		admin("account enable", "NAME", "let it in again", setState(false)),
		admin("account unlock", "NAME", "lift the lock that wrong answers left", on(client.UnlockAccount)),
		admin("account remove", "NAME", "remove an account for good; its ids are given to nobody else", on(client.RemoveAccount)),
		admin("account set", "NAME", "change an account", accountSet),
		admin("account set-password", "NAME", "set a password, read from standard input", setPassword),
		admin("account add-key", "NAME [KEY]", "add an ssh key, given or read from standard input", addKey),
		admin("account remove-key", "NAME TAG", "remove an ssh key", plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
			return c.RemoveSSHKey(ctx, &v1.RemoveSSHKeyRequest{Name: f.Name(0), Tag: f.Name(1)})
		})),
		admin("account add-totp", "NAME", "add a one-time code generator, its secret read from standard input", addTOTP),
		admin("account remove-totp", "NAME", "remove the one-time code generator", on(client.RemoveTOTP)),
		admin("account add-card", "NAME [FILE]", "add a smartcard by its certificate, a file or standard input", addCard),
		admin("account revoke-card", "NAME FINGERPRINT", "refuse a card for good", onCard(client.RevokeCard)),
		admin("account remove-card", "NAME FINGERPRINT", "remove a card", onCard(client.RemoveCard)),
		admin("account backup-codes", "NAME", "make new backup codes and print them", on(client.NewBackupCodes)),
		admin("account remove-backup-codes", "NAME", "remove the backup codes", on(client.RemoveBackupCodes)),
	}
}

func groupRows() []command.Row {
	return []command.Row{
		admin("group add", "NAME", "add a group", groupAdd),
		admin("group show", "NAME", "show a group", on(client.ShowGroup)),
		admin("group list", "", "list groups", all(client.ListGroups)),
		admin("group set", "NAME", "change a group", groupSet),
		admin("group remove", "NAME", "remove a group", on(client.RemoveGroup)),
		admin("group add-member", "GROUP MEMBER", "add an account or a group to a group", plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
			return c.AddMember(ctx, &v1.MemberRequest{Group: f.Name(0), Member: f.Name(1)})
		})),
		admin("group remove-member", "GROUP MEMBER", "take a member out of a group", plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
			return c.RemoveMember(ctx, &v1.MemberRequest{Group: f.Name(0), Member: f.Name(1)})
		})),
		admin("machine add", "NAME", "invite a machine: prints the code that it joins with", machineAdd),
		admin("machine list", "", "list machines", machineList),
		admin("machine set", "NAME", "change what a machine may do", machineSet),
		admin("machine remove", "NAME", "remove a machine from the realm", on(client.RemoveMachine)),
		admin("machine rejoin", "NAME", "have a machine join anew, and shut a copy of it out", on(client.RejoinMachine)),
		admin("machine quarantine", "NAME", "refuse a machine everything until it is released", on(client.QuarantineMachine)),
		admin("token add", "NAME", "make a code that a number of machines join with", tokenAdd),
		admin("token list", "", "list the codes that a number of machines join with", all(client.ListTokens)),
		admin("token remove", "NAME", "let nobody join with that code any more", on(client.RemoveToken)),
		admin("server list", "", "list the servers of the realm", all(client.ListServers)),
		admin("server admit", "FILE", "admit a server that only reads, by the file that \"init --read-only\" wrote", serverAdmit),
		admin("server remove", "ID", "forget a server that is gone for good", serverRemove),
		admin("machine release", "NAME", "end its quarantine", on(client.ReleaseMachine)),
	}
}

func requestRows() []command.Row {
	return []command.Row{
		admin("rule add", "NAME", "add a rule that requests are judged by", ruleAdd),
		admin("rule list", "", "list the rules, in the order in which they are looked at", all(client.ListRules)),
		admin("rule move", "NAME", "put a rule before another one, or last", ruleMove),
		admin("rule remove", "NAME", "remove a rule", on(client.RemoveRule)),
		admin("request list", "", "list what people asked for, the newest first", requestList),
		admin("request show", "ID", "show one request", plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
			return c.ShowRequest(ctx, &v1.RequestIDRequest{Id: f.Name(0)})
		})),
		admin("request end", "ID", "take a request back, or end its grant", requestEnd),
	}
}

func realmRows() []command.Row {
	return []command.Row{
		admin("realm show", "", "show what the realm demands", plain(func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
			return c.ShowRealm(ctx, &v1.ShowRealmRequest{})
		})),
		admin("realm set", "", "change what the realm demands", realmSet),
		admin("realm histories", "", "list restores and losses, and the ids kept for lost accounts", all(client.ListHistories)),
		admin("realm release-id", "ID", "let an id that was kept be given out again", plain(releaseID)),
		admin("keys show", "", "show the realm's keys and the fingerprint", plain(func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
			return c.ShowKeys(ctx, &v1.ShowKeysRequest{})
		})),
		admin("keys rotate", "", "make a new signing key", rotation("drop the old key at once: it was stolen", client.RotateKeys)),
		admin("keys sign", "", "sign the key list anew", withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.SignKeys(ctx, &v1.SignKeysRequest{RealmKey: key})
		})),
		admin("keys rotate-ssh", "", "make new keys for ssh certificates; the first ones turn them on", rotateSSH),
		admin("keys new-ca", "", "make a new certificate authority", withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.RenewCA(ctx, &v1.RenewCARequest{RealmKey: key})
		})),
		admin("realm-key rotate", "", "make a new realm key, signed by the old one", withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.RotateRealmKey(ctx, &v1.RotateRealmKeyRequest{RealmKey: key})
		})),
		admin("realm-key new", "", "make a new realm key when the old one is lost", plain(func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
			return c.RotateRealmKey(ctx, &v1.RotateRealmKeyRequest{Lost: true})
		})),
		admin("audit", "", "print the audit log", audit),
		admin("audit verify", "", "check that no row of the audit log was changed or removed", auditVerify),
		admin("audit sign", "", "print the signed head of the audit log", withRealmKey(func(ctx context.Context, c client, key []byte) (proto.Message, error) {
			return c.SignAudit(ctx, &v1.SignAuditRequest{RealmKey: key})
		})),
		admin("audit prune", "", "remove old rows of the audit log, and keep it verifiable", auditPrune),
	}
}
