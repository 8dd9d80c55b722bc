package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/sallyport-auth/sallyport/server"
)

// memory of a process, after its garbage was collected: so often that stacks have shrunk,
// which each collection does by half.
type memory struct {
	Heap, Stacks uint64
	Goroutines   int
}

func measured() memory {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()}
}

// beServer serves in this process, so that its memory can be asked for, and first says
// where.
func beServer(ctx context.Context, role, folder string) error {
	addr := make(chan string, 1)
	failed := make(chan error, 1)
	switch role {
	case "sallyport":
		go func() {
			failed <- server.Serve(ctx, server.ServeOptions{
				Dir: folder, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Ready: func(a net.Addr, _ string) { addr <- a.String() },
			})
		}()
	default:
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		addr <- l.Addr().String()
		go func() { failed <- bare(role, l) }()
	}
	return answers(func(words []string) (any, error) {
		switch words[0] {
		case "memory":
			return measured(), nil
		default:
			select {
			case a := <-addr:
				return a, nil
			case err := <-failed:
				return nil, err
			}
		}
	})
}

// bare holds connections, or requests of HTTP/2 whose answer has begun, and says nothing.
func bare(role string, l net.Listener) error {
	_, cert, err := newKey()
	if err != nil {
		return err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	if role == "h2" {
		s := &http.Server{TLSConfig: config, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})}
		return s.ServeTLS(l, "", "") //nolint:wrapcheck // a measurement
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			t := tls.Server(c, config)
			var b [1]byte
			_, _ = t.Read(b[:])
			_ = t.Close()
		}()
	}
}

// newKey makes a key and a certificate that carries it.
func newKey() (ed25519.PublicKey, tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	cert, err := certificate(key)
	return pub, cert, err
}

func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
