// Command sallyportd is the sign-in daemon of a workstation: see sallyportd(8).
// It reads its configuration, joins the rooms to each other and serves.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
)

// version is set by the linker.
var version = "unknown" //nolint:gochecknoglobals // the linker can set nothing else

func main() {
	path := flag.String("config", config.DefaultPath, "configuration `file`")
	check := flag.Bool("check", false, "read the configuration, say whether it is sound, and end")
	showVersion := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *showVersion {
		fmt.Println("sallyportd", version)
		return
	}
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(64)
	}
	c, err := config.Load(*path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyportd:", err)
		os.Exit(78) // EX_CONFIG
	}
	if *check {
		fmt.Println(*path, "is sound")
		return
	}
	// A hash runs for a tenth of a second without a pause. With a processor of Go's
	// to spare for each, the kernel's scheduler decides who waits, in milliseconds,
	// and the door is answered meanwhile: docs/decisions/0002-fifty-milliseconds.md.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + daemon.Hashes)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(c.Log.Level)}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, c, log); err != nil {
		log.Error("sallyportd ends", "error", err)
		stop()
		os.Exit(1)
	}
}
