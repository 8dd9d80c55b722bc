// Command sallyportd is the sign-in daemon of a workstation: see sallyportd(8).
// It reads its configuration, joins the rooms to each other and serves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
)

// version is set by the linker.
var version = "unknown"

func main() {
	f := flag.NewFlagSet("sallyportd", flag.ContinueOnError)
	path := f.String("config", config.DefaultPath, "configuration `file`")
	check := f.Bool("check", false, "read the configuration, say whether it is sound, and end")
	reload := f.Int("reload", 0, "look whether the settings and the files that they name are sound, and have the daemon with this process `id` read them anew")
	showVersion := f.Bool("version", false, "print the version")
	if err := f.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return
	} else if err != nil {
		os.Exit(command.ExitUsage)
	}
	if *showVersion {
		fmt.Println("sallyportd", version)
		return
	}
	if f.NArg() > 0 {
		f.Usage()
		os.Exit(command.ExitUsage)
	}
	c, err := config.Load(*path)
	switch {
	case err != nil:
	case *reload > 0:
		err = sound(c)
	case *check:
		err = soundMetrics(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyportd:", err)
		os.Exit(command.ExitConfig)
	}
	if *reload > 0 {
		if err := syscall.Kill(*reload, syscall.SIGHUP); err != nil {
			fmt.Fprintf(os.Stderr, "sallyportd: the daemon %d cannot be told: %v\n", *reload, err)
			os.Exit(command.ExitNo)
		}
		return
	}
	if *check {
		fmt.Println(*path, "is sound")
		return
	}
	// A hash runs for a tenth of a second without a pause. With a processor of Go's
	// to spare for each, the kernel's scheduler decides who waits, in milliseconds,
	// and the door is answered meanwhile: docs/decisions/0002-fifty-milliseconds.md.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + daemon.Hashes)
	// Nearly all that the daemon keeps is the directory, which hardly changes, so
	// collecting garbage early costs little: 100,000 accounts take 48 MB after a
	// start and 67 MB after the file for programs was written, where Go's own measure
	// lets them grow to 95 MB. See docs/benchmarks.md.
	debug.SetGCPercent(25)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, *path, c)
	stop()
	if err != nil {
		logger(c).Error("sallyportd ends", "error", err)
		os.Exit(command.ExitNo)
	}
}

func logger(c *config.Config) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(c.Log.Level)}))
}
