package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/wire"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIrSMHaEoyGBBK0J9vPOAHYgNQDDcQM1W2U0RXyJZuVM"

// daemon answers one question with these messages and then hangs until the test ends.
func daemon(t *testing.T, says ...*wire.Message) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "lookup.sock")
	l, err := wire.Listen(socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended); l.Close() })
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		for _, m := range says {
			_ = wire.NewConn(c).Send(context.Background(), m)
		}
		<-ended
	}()
	return socket
}

// sshd waits for the command before it goes on with anything: whoever is in the middle of a
// login holds a place of MaxStartups.
// Promise keys-soon.
func TestACertificateIsJudgedWithinASecondOrRefused(t *testing.T) {
	working, line := wire.New(wire.Working), wire.New(wire.SSHKey).AddString(wire.KeyLine, "cert-authority "+key)
	for sentence, says := range map[string][]*wire.Message{
		"a daemon that says nothing":     nil,
		"one that works on it for ever":  {working},
		"one that hangs behind its word": {working, line},
	} {
		var out, errs strings.Builder
		began := time.Now()
		code := run([]string{"--socket", daemon(t, says...), "ada", "ssh-ed25519-cert-v01@openssh.com", "AAAA"}, &out, &errs)
		took := time.Since(began)
		if code != command.ExitTempFail || out.Len() > 0 || !strings.Contains(errs.String(), "does not answer") {
			t.Errorf("%s: exit code %d, %q, %q", sentence, code, &out, &errs)
		}
		if took >= timeout/2 { // a second, and what a crowded machine adds; not what keys have
			t.Errorf("%s: %s", sentence, took)
		}
	}
	var out, errs strings.Builder
	whole := daemon(t, working, line, wire.New(wire.End))
	if code := run([]string{"--socket", whole, "ada", "ssh-ed25519-cert-v01@openssh.com", "AAAA"}, &out, &errs); code != command.ExitOK || out.String() != "cert-authority,no-agent-forwarding "+key+"\n" {
		t.Errorf("a daemon that answers: exit code %d, %q, %q", code, &out, &errs)
	}
}
