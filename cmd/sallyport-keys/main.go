// Command sallyport-keys is sshd's AuthorizedKeysCommand: see sallyport-keys(8).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/sshkeys"
)

// timeout is for the whole command; sshd waits for it before it goes on. What a certificate
// is good for the daemon knows without asking anybody.
const (
	timeout            = 10 * time.Second
	certificateTimeout = time.Second
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("sallyport-keys", flag.ContinueOnError)
	f.SetOutput(stderr)
	socket := f.String("socket", "/run/sallyport/lookup.sock", "the daemon's `path`")
	var o sshkeys.Options
	f.BoolVar(&o.AllowAgentForwarding, "allow-agent-forwarding", false, "leave agent forwarding to sshd")
	chained := f.Bool("chained", false, "exit 0 also when the daemon cannot answer: the keys of another command count only then")
	f.StringVar(&o.Fingerprint, "fingerprint", "", "only the key with this `SHA256:…` fingerprint (sshd's %f)")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: sallyport-keys [--socket PATH] [--allow-agent-forwarding] [--chained] [--fingerprint SHA256:…] NAME [TYPE KEY]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return command.ExitOK
		}
		return command.ExitUsage
	}
	if f.NArg() != 1 && f.NArg() != 3 {
		f.Usage()
		return command.ExitUsage
	}
	if sshkeys.Local("/etc/passwd", f.Arg(0)) {
		return command.ExitOK // their own authorized_keys are sshd's affair
	}
	certificate, within := sshkeys.IsCertificate(f.Arg(1)), timeout
	if certificate {
		within = certificateTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	print := sshkeys.Write
	var lines []string
	var err error
	if certificate {
		lines, err = sshkeys.FetchFor(ctx, *socket, f.Arg(0), f.Arg(2))
		print = sshkeys.WriteFor
	} else {
		lines, err = sshkeys.Fetch(ctx, *socket, f.Arg(0))
	}
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return command.ExitOK // nobody of ours: sshd goes on to authorized_keys
	case errors.Is(err, identity.ErrUnavailable):
		fmt.Fprintln(stderr, "sallyport-keys:", err)
		if *chained {
			return command.ExitOK
		}
		return command.ExitTempFail
	case err != nil:
		fmt.Fprintln(stderr, "sallyport-keys:", err)
		return command.ExitFailed
	}
	if err := print(stdout, lines, o); err != nil {
		fmt.Fprintln(stderr, "sallyport-keys:", err)
		return command.ExitFailed
	}
	return command.ExitOK
}
