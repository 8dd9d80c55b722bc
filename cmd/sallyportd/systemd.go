package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/wire"
)

// sockets are the doors of the daemon.
type sockets struct{ lookup, pam, control *net.UnixListener }

// listen takes the sockets that systemd passed, known by their file names, and
// makes those that it did not.
func listen(run string) (sockets, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return sockets{}, fmt.Errorf("sockets from systemd: %w", err)
	}
	byName := map[string]*net.UnixListener{}
	for _, l := range passed {
		u, ok := l.(*net.UnixListener)
		if !ok || u.Addr().Network() != "unixpacket" {
			return sockets{}, fmt.Errorf("socket %v from systemd is not SOCK_SEQPACKET", l)
		}
		byName[filepath.Base(u.Addr().String())] = u
	}
	var s sockets
	for name, to := range map[string]**net.UnixListener{"lookup.sock": &s.lookup, "pam.sock": &s.pam, "control.sock": &s.control} {
		if l := byName[name]; l != nil {
			*to = l
			continue
		}
		if *to, err = wire.Listen(filepath.Join(run, name), 0o666); err != nil {
			return sockets{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// watchdog tells systemd that we are ready and then that we are alive, for as
// long as this very process can be scheduled.
func watchdog(ctx context.Context, log *slog.Logger) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd was not told that we are ready", "error", err)
	}
	defer daemon.SdNotify(false, daemon.SdNotifyStopping) //nolint:errcheck // it will notice
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	if every == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := daemon.SdNotify(false, daemon.SdNotifyWatchdog); err != nil {
				log.Warn("systemd was not told that we are alive", "error", err)
			}
		}
	}
}
