// Command hello is an example of a service of a realm: it greets whoever calls it by the name
// that the realm vouches for. docs/identity-service.md describes it.
//
//	hello --cert FILE --key FILE                       on a joined machine
//	hello --cert FILE --key FILE --folder DIR          as a machine of its own
//	hello --folder DIR --join CODE --fingerprint SHA256 --server URL
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/serviceauth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to do
	}
}

func run(ctx context.Context) error {
	listen := flag.String("listen", "localhost:8443", "`address` to listen at")
	cert := flag.String("cert", "", "`file` of the certificate")
	key := flag.String("key", "", "`file` of its key")
	folder := flag.String("folder", "", "`folder` of a machine of the realm; left out: the daemon of this machine is asked")
	code := flag.String("join", "", "`code` to join the realm with; then the program ends")
	fingerprint := flag.String("fingerprint", "", "`SHA256` that is printed beside the code")
	server := flag.String("server", "", "`URL` of the realm's server")
	flag.Parse()
	if *code != "" {
		return serviceauth.Join(ctx, *folder, *code, *fingerprint, *server)
	}
	verifier := serviceauth.Daemon("")
	if *folder != "" {
		c, err := serviceauth.Open(*folder)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // the program ends
		verifier = c
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Println("listening at", l.Addr())
	s := &http.Server{Handler: service(verifier), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.ServeTLS(l, *cert, *key); ctx.Err() == nil {
		return err
	}
	return nil
}

// service is the whole of it.
func service(v serviceauth.Verifier) http.Handler {
	guard := serviceauth.Guard{Verifier: v, Log: slog.Default()}
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := serviceauth.From(r.Context())
		_, _ = fmt.Fprintf(w, "Hello %s, on your %s.\n", who.User, who.Device)
	}))
}
