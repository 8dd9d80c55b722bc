package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sallyport-auth/sallyport/config"
)

// run serves until the context ends. SIGHUP has everything closed and opened again with
// the settings and files of then, like a restart that keeps the process and systemd's
// sockets. Settings or files that are not sound change nothing.
func run(ctx context.Context, path string, c *config.Config) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	defer daemon.SdNotify(false, daemon.SdNotifyStopping) //nolint:errcheck // it will notice
	from := doors(activation.Files(true))
	for {
		next, err := serveUntil(ctx, hangup, path, c, from)
		if err != nil || next == nil {
			return err
		}
		c = next
	}
}

// serveUntil returns the settings to go on with, and none at the end.
func serveUntil(ctx context.Context, hangup <-chan os.Signal, path string, c *config.Config, from doors) (*config.Config, error) {
	log := logger(c)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- serve(serving, c, from, log) }()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-hangup:
		}
		next, err := config.Load(path)
		if err == nil {
			err = sound(next)
		}
		if err != nil {
			log.Error("the settings are not read anew, and the old ones hold", "error", err)
			continue
		}
		log.Info("the settings are read anew", "file", path)
		stop()
		return next, <-ended
	}
}
