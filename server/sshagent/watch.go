package sshagent

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/crypto/ssh"
)

// Watch tells an agent's troubles once each.
type Watch struct {
	Agent
	Log *slog.Logger

	said string
}

// Look looks whether the agent has those keys, without having it sign.
func (w *Watch) Look(ctx context.Context, keys []ssh.PublicKey) {
	var faults []error
	for _, k := range keys {
		_, c, err := w.Signer(ctx, k)
		if err == nil {
			err = c.Close()
		}
		faults = append(faults, err)
	}
	err := errors.Join(faults...)
	switch {
	case ctx.Err() != nil:
	case err != nil && err.Error() != w.said:
		w.said = err.Error()
		w.Log.ErrorContext(ctx, "No ssh certificates are signed until this is mended; logins by those that were made go on.", "error", err)
	case err == nil && w.said != "":
		w.said = ""
		w.Log.InfoContext(ctx, "the ssh-agent has the keys of ssh certificates again", "socket", w.Socket)
	}
}
