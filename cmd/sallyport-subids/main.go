// Command sallyport-subids adds the subordinate ids of the realm's people to
// /etc/subuid and /etc/subgid: see sallyport-subids(8). It runs as root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/subid"
)

// patience is how long useradd(8) and its kin may hold their locks: as long as they
// wait for each other.
const patience = 15 * time.Second

func main() {
	f := flag.NewFlagSet("sallyport-subids", flag.ContinueOnError)
	list := f.String("list", "/var/lib/sallyport/subids", "the daemon's `file` of ranges")
	root := f.String("root", "/", "the `folder` whose etc/subuid and etc/subgid are written")
	if err := f.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return
	} else if err != nil || f.NArg() > 0 {
		f.Usage()
		os.Exit(command.ExitUsage)
	}
	os.Exit(run(*list, subid.Host{Root: *root}))
}

func run(list string, host subid.Host) int {
	wanted, err := subid.Read(list)
	if errors.Is(err, fs.ErrNotExist) {
		return 0 // nobody has a range yet
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyport-subids:", err)
		return command.ExitFailed
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := host.Add(ctx, wanted)
	for _, path := range p.Absent {
		fmt.Fprintf(os.Stderr, "sallyport-subids: %s does not exist, so nobody gets subordinate ids; \"touch %s\" allows them\n", path, path)
	}
	for _, r := range p.Refused {
		fmt.Fprintf(os.Stderr, "sallyport-subids: the range of uid %d is not added: %s\n", r.UID, r.Why)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(os.Stderr, "sallyport-subids:", err)
		return command.ExitTempFail
	case err != nil:
		fmt.Fprintln(os.Stderr, "sallyport-subids:", err)
		return command.ExitFailed
	}
	for name, added := range p.Add {
		for _, s := range added {
			fmt.Printf("/etc/%s: uid %d has %d ids from %d\n", name, s.UID, identity.SubIDCount, s.Start)
		}
	}
	return 0
}
