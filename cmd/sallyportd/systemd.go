package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/wire"
)

// sockets are the doors of the daemon. There are two for PAM where root has its own.
type sockets struct {
	lookup, control *net.UnixListener
	pam             []*net.UnixListener
}

// rootSocket is pam.sock for root's programs, in a folder that nobody else may enter.
const rootSocket = "root/pam.sock"

// listen takes the sockets that systemd passed, known by their file names, and
// makes those that it did not.
func listen(run string, from doors, log *slog.Logger) (sockets, error) {
	byName, err := from.listeners()
	if err != nil {
		return sockets{}, err
	}
	open := func(name string) (*net.UnixListener, error) {
		if l := byName[name]; l != nil {
			return l, nil
		}
		l, err := wire.Listen(filepath.Join(run, name), 0o666)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return l, nil
	}
	var s sockets
	if s.lookup, err = open("lookup.sock"); err != nil {
		return sockets{}, err
	}
	if s.control, err = open("control.sock"); err != nil {
		return sockets{}, err
	}
	all, err := open("pam.sock")
	if err != nil {
		return sockets{}, err
	}
	s.pam = append(s.pam, all)
	// Units of an earlier version do not pass it, and only root can make it there.
	_ = os.Mkdir(filepath.Join(run, filepath.Dir(rootSocket)), 0o700)
	if own, err := open(rootSocket); err == nil {
		s.pam = append(s.pam, own)
	} else {
		log.Warn("root's programs share pam.sock with everybody", "error", err)
	}
	return s, nil
}

// doors are systemd's sockets. They stay open while the daemon reads its settings anew, so
// that nobody is turned away meanwhile.
type doors []*os.File

// listeners are the sockets by their names, for one time of serving.
func (d doors) listeners() (map[string]*net.UnixListener, error) {
	byName := map[string]*net.UnixListener{}
	for _, f := range d {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("sockets from systemd: %w", err)
		}
		u, ok := l.(*net.UnixListener)
		if !ok || u.Addr().Network() != "unixpacket" {
			return nil, fmt.Errorf("socket %v from systemd is not SOCK_SEQPACKET", l)
		}
		byName[socketName(u.Addr().String())] = u
	}
	return byName, nil
}

func socketName(path string) string {
	if strings.HasSuffix(path, "/"+rootSocket) {
		return rootSocket
	}
	return filepath.Base(path)
}

// watchdog tells systemd that we are ready and then that we are alive, for as
// long as this very process can be scheduled.
func watchdog(ctx context.Context, log *slog.Logger) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd was not told that we are ready", "error", err)
	}
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
