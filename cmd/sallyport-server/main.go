// Command sallyport-server is the identity server and its administrator's tool.
// It is flags and wiring; the work is done in package server.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"connectrpc.com/connect"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/sshagent"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	t := table()
	err := t.Run(ctx, os.Args[1:], os.Stdout)
	stop()
	var told *connect.Error
	switch {
	case err == nil:
	case errors.Is(err, command.ErrUsage):
		t.Fail(os.Stderr, os.Args[1:], err)
		os.Exit(command.ExitUsage)
	case errors.As(err, &told):
		fmt.Fprintf(os.Stderr, "sallyport-server: %s\n", told.Message())
		os.Exit(command.ExitNo)
	default:
		fmt.Fprintf(os.Stderr, "sallyport-server: %v\n", err)
		os.Exit(command.ExitNo)
	}
}

func runInit(f *command.Flags) command.Action {
	var o realm.InitOptions
	var days uint
	var ids string
	var reading readingInit
	f.StringVar(&o.Dir, "dir", "", "`path` of the realm's folder")
	f.StringVar(&o.Realm, "realm", "", "the realm's `name`")
	f.StringVar(&o.Listen, "listen", "", "`address` to listen at, HOST:PORT")
	f.StringVar(&o.TLSCert, "tls-cert", "", "PEM `file` of a certificate of your own")
	f.StringVar(&o.TLSKey, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&o.Database, "database", "", "`address` of a PostgreSQL database, postgres://HOST/NAME; left out: a file in the folder")
	f.StringVar(&o.Owner, "owner", "", "`address` by which the role that owns the tables signs in; left out: the role that serves owns them")
	f.StringVar(&o.SealKey, "seal-key", "", "`file` seal.key of a server of the realm that the database holds: make another server of it")
	f.StringVar(&o.URL, "url", "", "`URL` at which machines reach this server, https://HOST:PORT; they are told of it")
	f.StringVar(&reading.file, "read-only", "", "`file` to write, by which a full server admits this one: make a server that only reads, whose --database is a standby")
	f.DurationVar(&o.MaxLag, "max-lag", 0, "with --read-only, how old what the standby knows may be: `time`, such as 12h; left out: 24h")
	f.StringVar(&ids, "id-range", "", "`min-max` of the ids that the realm gives out")
	f.UintVar(&days, "offline-days", 14, "for how many `days` machines may do without the server")
	f.Func("tls-name", "`name` that machines reach the server by; may be given more than once", func(s string) error { o.TLSNames = append(o.TLSNames, s); return nil })
	return func(ctx context.Context) error {
		if o.Dir == "" {
			return command.Usage("--dir DIR is missing; \"sallyport-server setup\" makes the realm of the unit")
		}
		if ids != "" {
			if _, err := fmt.Sscanf(ids, "%d-%d", &o.IDs.Min, &o.IDs.Max); err != nil || o.IDs == (identity.IDRange{}) {
				return command.Usage("--id-range wants MIN-MAX, not %q", ids)
			}
		}
		o.OfflineDays = uint32(min(days, 1<<20))
		if reading.file != "" {
			return reading.run(ctx, o)
		}
		make := realm.Init
		if o.SealKey != "" {
			make = realm.InitAnother
		}
		if err := make(ctx, o); err != nil {
			return err
		}
		if o.SealKey != "" {
			fmt.Printf("another server of the realm, with its folder in %s\n", o.Dir)
		} else {
			fmt.Printf("realm %s made in %s\n", o.Realm, o.Dir)
		}
		fmt.Printf("now run: sallyport-server serve --dir %s\n", o.Dir)
		return nil
	}
}

func runCardKeys(f *command.Flags) command.Action {
	realm := f.String("realm", "", "the realm's `name`")
	return func(context.Context) error {
		if *realm == "" {
			return command.Usage("--realm NAME is missing")
		}
		made, err := cardservice.MakeKeys(f.Name(0), *realm)
		if err != nil {
			return err
		}
		for _, m := range made {
			fmt.Printf("%-48s %s\n", m.Path, m.For)
		}
		return nil
	}
}

func runServe(f *command.Flags) command.Action {
	o := server.ServeOptions{Version: version, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	f.StringVar(&o.Dir, "dir", realm.DefaultDir, "`path` of the realm's folder")
	f.StringVar(&o.Listen, "listen", "", "`address` to listen at, HOST:PORT")
	f.StringVar(&o.Mark, "mark", "", "`folder` outside the realm for the mark that shows a loss")
	f.StringVar(&o.Metrics, "metrics", "", "`address` at which monitoring asks: unix:PATH, or a port of 127.0.0.1")
	f.StringVar(&o.SSHAgent, "ssh-agent", sshagent.DefaultSocket, "`socket` of the ssh-agent that keeps keys of ssh certificates, where one does")
	f.StringVar(&o.Applications, "applications-listen", "", "`address` at which applications are answered by plain HTTP, HOST:PORT, and nothing else is")
	f.StringVar(&o.Delivery.Mail, "applications-mail", "", "`path` of a program as sendmail, by which people get codes")
	f.StringVar(&o.Delivery.SMS, "applications-sms", "", "`path` of a program by which people get codes by SMS")
	f.StringVar(&o.CardService.MiddlewareKeys, "card-middleware-keys", "", "`file` of the keys of the card services of machines")
	f.StringVar(&o.CardService.ServiceKey, "card-service-key", "", "`file` of this server's key for cards")
	f.StringVar(&o.CardService.ServiceCertificate, "card-service-cert", "", "`file` of its certificate")
	return func(ctx context.Context) error {
		o.Ready = func(addr net.Addr, realm string) {
			fmt.Printf("sallyport-server: ready on https://%s realm %s\n", addr, strings.TrimSpace(realm))
			_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // nobody to tell when systemd did not start us
		}
		return server.Serve(ctx, o)
	}
}
