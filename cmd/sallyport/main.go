// Command sallyport asks and steers the sign-in daemon: see sallyport(1).
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/cli"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	app := &cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version, Now: time.Now}
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "sallyport-ssh" { // for programs that take ssh's name alone
		args = append([]string{"ssh"}, args...)
	}
	code := app.Run(ctx, args)
	stop()
	os.Exit(code)
}
