// Command sallyport-server is the identity server and its administrator's tool.
// It is flags and wiring; the work is done in package server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"connectrpc.com/connect"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/realm"
)

const usage = `sallyport-server keeps a realm's accounts and serves them to its machines.

  sallyport-server setup [--realm NAME] [--listen ADDR] [--tls-name NAME]... [--account NAME]
                         [--machine NAME] [--yes]       a realm, its unit and the first account
  sallyport-server init  --dir DIR --realm NAME --listen ADDR [--tls-name NAME]...
                         [--tls-cert FILE --tls-key FILE] [--id-range MIN-MAX] [--offline-days N]
  sallyport-server serve [--listen ADDR] [--mark DIR]
                         [--card-middleware-keys FILE --card-service-key FILE --card-service-cert FILE]
  sallyport-server backup FILE                          also while the server runs
  sallyport-server restore FILE [--replace] [--id-gap N]
  sallyport-server card-keys DIR --realm NAME           makes all that mutual authentication needs

  sallyport-server account add NAME [--full-name TEXT] [--home PATH] [--shell PATH] [--uid N]
                                    [--valid-from TIME] [--valid-until TIME]
  sallyport-server account show|disable|enable|unlock|remove NAME
  sallyport-server account list
  sallyport-server account set NAME [--name NEW] [--full-name TEXT] [--home PATH] [--shell PATH]
                                    [--must-change=true|false] [--valid-from TIME|none]
                                    [--valid-until TIME|none]
  sallyport-server account set-password NAME [--must-change]  the password on standard input
  sallyport-server account add-key NAME [KEY] [--tag T] the key, or its line on standard input
  sallyport-server account remove-key NAME TAG
  sallyport-server account add-totp NAME [--generate]   the secret on standard input
  sallyport-server account remove-totp NAME
  sallyport-server account add-card NAME [FILE] [--label TEXT]  the certificate, or on standard input
  sallyport-server account revoke-card|remove-card NAME FINGERPRINT
  sallyport-server account backup-codes|remove-backup-codes NAME
  sallyport-server realm show
  sallyport-server realm set [--points KIND=N,...] [--attestation-ca FILE]
                             [--require-attestation=true|false] [--password-max-age DAYS]
                             [--password-min-length N] [--password-history N]
  sallyport-server realm histories                      restores and losses, and ids kept for lost accounts
  sallyport-server realm release-id ID
  sallyport-server group add NAME [--gid N] [--demands password,totp,piv] [--points N] [--earned]
                                  [--offline-codes]
  sallyport-server group set NAME [--name NEW] [--demands KIND,...] [--points N]
                                  [--earned=true|false] [--offline-codes=true|false]
  sallyport-server group show|remove NAME
  sallyport-server group list
  sallyport-server group add-member|remove-member GROUP MEMBER
  sallyport-server machine add NAME [--offline-codes] [--admits GROUP,...]
  sallyport-server machine set NAME [--offline-codes=true|false] [--admits GROUP,...|'*']
  sallyport-server machine remove|rejoin|quarantine|release NAME
  sallyport-server machine list
  sallyport-server keys show
  sallyport-server keys rotate [--emergency] [--realm-key FILE]   a new signing key
  sallyport-server keys sign [--realm-key FILE]         signs the key list anew
  sallyport-server keys new-ca [--realm-key FILE]       a new certificate authority
  sallyport-server realm-key export FILE                a copy, to be kept elsewhere
  sallyport-server realm-key remove --copy FILE         takes it out of the folder
  sallyport-server realm-key rotate [--realm-key FILE]  a new one, signed by the old one
  sallyport-server realm-key new                        a new one, when the old one is lost
  sallyport-server audit [--since TIME]
  sallyport-server audit verify [--signed FILE]
  sallyport-server audit sign [--realm-key FILE]      the signed head, on standard output
  sallyport-server audit prune --before TIME
  sallyport-server version

All others but card-keys and version take --dir DIR, which is ` + realm.DefaultDir + ` where it is left out.
All but those, setup, serve, backup and restore take --json. TIME is 2006-01-02 or RFC 3339.
`

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	var told *connect.Error
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(os.Stdout, helpOn(os.Args[1:]))
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "sallyport-server: %v\nTry \"sallyport-server help\".\n", err)
		os.Exit(command.ExitUsage)
	case errors.As(err, &told):
		fmt.Fprintf(os.Stderr, "sallyport-server: %s\n", told.Message())
		os.Exit(command.ExitNo)
	default:
		fmt.Fprintf(os.Stderr, "sallyport-server: %v\n", err)
		os.Exit(command.ExitNo)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		_, err := io.WriteString(os.Stdout, usage)
		return err
	}
	switch args[0] {
	case "version", "--version":
		_, err := fmt.Println("sallyport-server", version)
		return err
	case "setup":
		return runSetup(ctx, args[1:])
	case "init":
		return runInit(ctx, args[1:])
	case "serve":
		return runServe(ctx, args[1:])
	case "backup":
		return runBackup(ctx, args[1:])
	case "restore":
		return runRestore(ctx, args[1:])
	case "card-keys":
		return runCardKeys(args[1:])
	default:
		return runAdmin(ctx, args)
	}
}

func runInit(ctx context.Context, args []string) error {
	var o realm.InitOptions
	var days uint
	var ids string
	f := newFlags("init")
	f.StringVar(&o.Dir, "dir", "", "")
	f.StringVar(&o.Realm, "realm", "", "")
	f.StringVar(&o.Listen, "listen", "", "")
	f.StringVar(&o.TLSCert, "tls-cert", "", "")
	f.StringVar(&o.TLSKey, "tls-key", "", "")
	f.StringVar(&ids, "id-range", "", "")
	f.UintVar(&days, "offline-days", 14, "")
	f.Func("tls-name", "", func(s string) error { o.TLSNames = append(o.TLSNames, s); return nil })
	if err := f.parse(args, 0); err != nil {
		return err
	}
	if o.Dir == "" {
		return fmt.Errorf("%w: --dir DIR is missing; \"sallyport-server setup\" makes the realm of the unit", errUsage)
	}
	if ids != "" {
		if _, err := fmt.Sscanf(ids, "%d-%d", &o.IDs.Min, &o.IDs.Max); err != nil || o.IDs == (identity.IDRange{}) {
			return fmt.Errorf("%w: --id-range wants MIN-MAX, not %q", errUsage, ids)
		}
	}
	o.OfflineDays = uint32(min(days, 1<<20))
	if err := realm.Init(ctx, o); err != nil {
		return err
	}
	fmt.Printf("realm %s made in %s\nnow run: sallyport-server serve --dir %s\n", o.Realm, o.Dir, o.Dir)
	return nil
}

func runCardKeys(args []string) error {
	f := newFlags("card-keys")
	realm := f.String("realm", "", "")
	if err := f.parse(args, 1); err != nil {
		return err
	}
	if *realm == "" {
		return fmt.Errorf("%w: --realm NAME is missing", errUsage)
	}
	made, err := cardservice.MakeKeys(f.name(0), *realm)
	if err != nil {
		return err
	}
	for _, m := range made {
		fmt.Printf("%-48s %s\n", m.Path, m.For)
	}
	return nil
}

func runServe(ctx context.Context, args []string) error {
	o := server.ServeOptions{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	f := newFlags("serve")
	f.StringVar(&o.Dir, "dir", realm.DefaultDir, "")
	f.StringVar(&o.Listen, "listen", "", "")
	f.StringVar(&o.Mark, "mark", "", "")
	f.StringVar(&o.CardService.MiddlewareKeys, "card-middleware-keys", "", "")
	f.StringVar(&o.CardService.ServiceKey, "card-service-key", "", "")
	f.StringVar(&o.CardService.ServiceCertificate, "card-service-cert", "", "")
	if err := f.parse(args, 0); err != nil {
		return err
	}
	o.Ready = func(addr net.Addr, realm string) {
		fmt.Printf("sallyport-server: ready on https://%s realm %s\n", addr, strings.TrimSpace(realm))
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // nobody to tell when systemd did not start us
	}
	return server.Serve(ctx, o)
}
