package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/serviceauth"
	"github.com/sallyport-auth/sallyport/test/identities"
)

// certificate makes one of localhost, and a client that trusts it and nothing else.
func certificate(t *testing.T) (cert, key string, client *http.Client) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	must(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(cert, text, 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return cert, key, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Promise identity-guard.
func TestTheExampleGreetsWhomTheRealmVouchesFor(t *testing.T) {
	r := identities.New(t)
	r.Person("ada")
	token := serviceauth.NewToken("ada", "my phone", r.Token(r.Provider("laptop"), "ada", "my phone"))
	hello := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", hello, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	folder := filepath.Join(t.TempDir(), "realm")
	code, fingerprint := r.Code("hello")
	if out, err := exec.CommandContext(t.Context(), hello, "--folder", folder, "--join", code, "--fingerprint", fingerprint, "--server", r.URL).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cert, key, client := certificate(t)
	service := exec.CommandContext(t.Context(), hello, "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, "--folder", folder)
	service.Stderr = os.Stderr
	out, err := service.StdoutPipe()
	must(t, err)
	must(t, service.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	url := "https://" + strings.TrimSpace(strings.TrimPrefix(line, "listening at "))
	call := func(bearer string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		must(t, err)
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		resp, err := client.Do(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(body)
	}
	if code, said := call(token.Bearer()); code != http.StatusOK || said != "Hello ada, on your my phone.\n" {
		t.Errorf("%d %s", code, said)
	}
	if code, said := call(""); code != http.StatusUnauthorized || strings.Contains(said, "Hello") {
		t.Errorf("nobody: %d %s", code, said)
	}
	r.Revoke("ada")
	if code, said := call(token.Bearer()); code != http.StatusUnauthorized || strings.Contains(said, "Hello") {
		t.Errorf("revoked: %d %s", code, said)
	}
	must(t, service.Process.Signal(syscall.SIGTERM))
	if err := service.Wait(); err != nil {
		t.Error(err)
	}
}
