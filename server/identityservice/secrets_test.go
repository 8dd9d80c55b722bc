package identityservice_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// record is what passes through a handler, in the clear: by procedure, to the server and back.
type record struct {
	mu       sync.Mutex
	up, down map[string]*bytes.Buffer
}

func (r *record) write(to map[string]*bytes.Buffer, procedure string, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to[procedure] == nil {
		to[procedure] = &bytes.Buffer{}
	}
	to[procedure].Write(b)
}

// taking notes down all that passes.
func (r *record) taking(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := filepath.Base(req.URL.Path)
		r.write(r.up, p, fmt.Append(nil, req.URL, req.Header))
		req.Body = recordedBody{req.Body, func(b []byte) { r.write(r.up, p, b) }}
		next.ServeHTTP(recordedAnswer{w, func(b []byte) { r.write(r.down, p, b) }}, req)
		r.write(r.down, p, fmt.Append(nil, w.Header()))
	})
}

type recordedBody struct {
	io.ReadCloser
	note func([]byte)
}

func (b recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.note(p[:n])
	return n, err
}

type recordedAnswer struct {
	http.ResponseWriter
	note func([]byte)
}

func (a recordedAnswer) Write(p []byte) (int, error) {
	a.note(p)
	return a.ResponseWriter.Write(p)
}

func (a recordedAnswer) Flush() { a.ResponseWriter.(http.Flusher).Flush() }

func (a recordedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// has tells whether a secret stands somewhere, as it is or in a form that bytes are printed in.
func has(text, secret []byte) bool {
	for _, form := range []string{
		string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		fmt.Sprintf("%d", secret), fmt.Sprintf("%q", secret), fmt.Sprintf("%X", secret),
	} {
		if bytes.Contains(text, []byte(form)) {
			return true
		}
	}
	return false
}

// stored is all that the realm's folder and database hold.
func (r *rig) stored() []byte {
	r.T.Helper()
	var all bytes.Buffer
	r.Must(nil, filepath.WalkDir(string(r.Dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	}))
	if r.Settings.Database == "" {
		return all.Bytes()
	}
	db := postgres.Raw(r.T, r.Settings.Database, "")
	tables, err := db.QueryContext(r.T.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`)
	r.Must(nil, err)
	var names []string
	for tables.Next() {
		var n string
		r.Must(nil, tables.Scan(&n))
		names = append(names, n)
	}
	r.Must(nil, tables.Err())
	for _, n := range names {
		var text string
		r.Must(nil, db.QueryRowContext(r.T.Context(), `SELECT COALESCE(string_agg(t::text, ' '), '') FROM "`+n+`" t`).Scan(&text))
		all.WriteString(text)
	}
	return all.Bytes()
}

// Promise identity-service-secrets.
func TestPasswordAndTokenAreNowhereButWhereTheyBelong(t *testing.T) {
	rec := &record{up: map[string]*bytes.Buffer{}, down: map[string]*bytes.Buffer{}}
	r := recordedRig(t, rec)
	var log bytes.Buffer
	r.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := r.device("laptop")
	const wrong = "another phrase, which is wrong"
	registered := d.registered()
	w := r.wallet("alice")
	byWallet, err := d.signsIn("alice", "watch", w)
	r.Must(nil, err)
	_, _ = d.login("alice", "phone", wrong, whole)
	second, err := d.login("alice", "tablet", password, whole)
	r.Must(nil, err)
	tokens := map[string][]byte{"RegisterUser": registered, "LoginUser": byWallet}
	if !d.verifies("alice", "phone", registered) || d.verifies("alice", "phone", second) || !d.verifies("alice", "watch", byWallet) {
		t.Fatal("they are not good")
	}
	r.Must(d.ListDevices(t.Context(), &pb.ListDevicesRequest{UserID: "alice", DeviceID: "watch", Token: byWallet}))
	r.Must(d.RevokeToken(t.Context(), &pb.RevokeTokenRequest{UserID: "alice", DeviceID: "watch", Token: byWallet, Ends: "tablet"}))

	everywhere := append(r.stored(), log.Bytes()...)
	if !has(everywhere, []byte("identity.login")) { // in the audit log
		t.Fatal("nothing is found in what is stored")
	}
	for what, secret := range map[string][]byte{"the password": []byte(password), "a wrong password": []byte(wrong), "a token": registered, "a wallet's token": byWallet, "a revoked token": second} {
		if has(everywhere, secret) {
			t.Errorf("%s is stored or logged", what)
		}
	}
	for procedure, up := range rec.up {
		for what, secret := range map[string]string{"the password": password, "the wrong password": wrong} {
			if has(up.Bytes(), []byte(secret)) || has(rec.down[procedure].Bytes(), []byte(secret)) {
				t.Errorf("%s goes through %s", what, procedure)
			}
		}
	}
	for from, token := range tokens {
		for procedure, down := range rec.down {
			if has(down.Bytes(), token) != (procedure == from) {
				t.Errorf("what %s gave is in what %s says: %t", from, procedure, procedure != from)
			}
		}
		for procedure, up := range rec.up {
			asks := procedure == "VerifyUserToken" || from == "LoginUser" && (procedure == "ListDevices" || procedure == "RevokeToken")
			if has(up.Bytes(), token) != asks {
				t.Errorf("what %s gave is in what %s hears: %t", from, procedure, !asks)
			}
		}
	}
}
