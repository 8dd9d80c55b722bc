// Command benchfleet measures what many connected machines cost a server, and prints tables
// in Markdown. Machines are TLS connections with a key each, from another process of the
// same computer, so they take processor time and memory that the server's figures do not
// have in them, but delays have. Take ratios: each figure stands beside its peer of the same
// run. Nothing passes or fails by a time.
//
// The server is the real sallyport-server; its peers are a bare TLS server and a bare HTTP/2
// server of Go's standard library, that hold as many connections and say nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	machines int
	memory   int
	idle     time.Duration
	changes  int
	load     time.Duration
	binary   string
	postgres bool
	accounts int
}

func main() {
	var o options
	role := flag.String("role", "", "what this process is, for the program's own use")
	url := flag.String("url", "", "likewise")
	folder := flag.String("folder", "", "likewise")
	flag.IntVar(&o.machines, "machines", 10000, "connected machines; fewer where open files are limited")
	flag.IntVar(&o.memory, "memory", 2000, "connected machines while memory is measured")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "how long processor use is measured while nothing changes")
	flag.IntVar(&o.changes, "changes", 10, "changes whose way to all machines is measured")
	flag.DurationVar(&o.load, "load", 10*time.Second, "how long each kind of request is made")
	flag.StringVar(&o.binary, "server", "build/sallyport-server", "the server")
	flag.IntVar(&o.accounts, "accounts", 100000, "accounts of the realm whose lists are measured")
	flag.BoolVar(&o.postgres, "postgres", true, "measure PostgreSQL as well")
	flag.Parse()
	runtime.LockOSThread() // the kernel ends a process that we started with the thread that did
	// Every connection is an open file, of both processes.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
		if most := int(limit.Cur) - 500; o.machines > most {
			fmt.Fprintf(os.Stderr, "benchfleet: %d machines, as open files are limited\n", most)
			o.machines = most
		}
	}
	var err error
	switch ctx := context.Background(); *role {
	case "":
		err = run(ctx, o)
	case "machines":
		err = beMachines(ctx, *url, *folder)
	case "tls", "h2", "sallyport":
		err = beServer(ctx, *role, *folder)
	default:
		err = fmt.Errorf("there is no role %q", *role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchfleet:", err)
		os.Exit(1)
	}
}
