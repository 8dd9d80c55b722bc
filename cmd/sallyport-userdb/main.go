// Command sallyport-userdb shows the directory to systemd: see
// sallyport-userdb(8). systemd starts it when somebody asks, and it ends when
// nobody does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/nss/userdb"
)

// Exit codes, after sysexits(3).
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64
)

func main() { os.Exit(run()) }

func run() int {
	f := flag.NewFlagSet("sallyport-userdb", flag.ContinueOnError)
	var d userdb.Directory
	f.StringVar(&d.File, "directory", "/var/cache/sallyport/directory", "the directory snapshot's `path`")
	f.StringVar(&d.Socket, "lookup", "/run/sallyport/lookup.sock", "the daemon's `path`")
	user := f.String("user", "", "become this local `account` first")
	idle := f.Duration("idle", 5*time.Minute, "end after this `time` without a connection; 0: never")
	if err := f.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	d.Passwd, d.Group = "/etc/passwd", "/etc/group"
	l, err := listener()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyport-userdb:", err)
		return exitUsage
	}
	if *user != "" {
		if err := userdb.Become(d.Passwd, *user); err != nil {
			fmt.Fprintln(os.Stderr, "sallyport-userdb:", err)
			return exitFailed
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	s := &userdb.Server{Directory: &d, Idle: *idle, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if err := s.Serve(ctx, l); err != nil {
		fmt.Fprintln(os.Stderr, "sallyport-userdb:", err)
		return exitFailed
	}
	return exitOK
}

// listener is the one socket that systemd passes.
func listener() (*net.UnixListener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("socket from systemd: %w", err)
	}
	if len(passed) != 1 {
		return nil, fmt.Errorf("%d sockets from systemd, want one: it is started by sallyport-userdb.socket", len(passed))
	}
	l, ok := passed[0].(*net.UnixListener)
	if !ok || l.Addr().Network() != "unix" {
		return nil, fmt.Errorf("socket %v from systemd is not a unix stream", passed[0])
	}
	l.SetUnlinkOnClose(false) // it is systemd's
	return l, nil
}
