//go:build interop

package pake

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// other is an implementation of RFC 9807 by others: opaque-ke, in Rust, by way of npm's
// @serenity-kit/opaque. "make test-opaque" installs it, and says by OPAQUE_OTHER where.
type other struct {
	*testing.T
	in  io.Writer
	out *bufio.Scanner
}

func newOther(t *testing.T) *other {
	t.Helper()
	folder := os.Getenv("OPAQUE_OTHER")
	if folder == "" {
		t.Fatal("OPAQUE_OTHER is not set: run make test-opaque")
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "testdata/other.mjs", folder)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	c.Stderr = os.Stderr
	must(t, c.Start())
	t.Cleanup(func() {
		_ = in.Close()
		must(t, c.Wait())
	})
	return &other{t, in, bufio.NewScanner(out)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asks is nil where the other says that the password is wrong.
func (o *other) asks(end, call string, of map[string]any) map[string]string {
	o.Helper()
	must(o.T, json.NewEncoder(o.in).Encode(map[string]any{"end": end, "call": call, "of": of}))
	if !o.out.Scan() {
		o.Fatal("the other implementation has ended")
	}
	var answer struct {
		Is    json.RawMessage
		Error string
	}
	must(o.T, json.Unmarshal(o.out.Bytes(), &answer))
	if answer.Error != "" {
		o.Fatalf("%s %s: %s", end, call, answer.Error)
	}
	var is map[string]string
	if json.Unmarshal(answer.Is, &is) != nil { // a string by itself
		var text string
		must(o.T, json.Unmarshal(answer.Is, &text))
		is = map[string]string{"is": text}
	}
	return is
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (o *other) bytes(text string) []byte {
	o.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	must(o.T, err)
	return b
}

const (
	interRealm    = "example.org"
	interPassword = "a phrase with an \u00fc"
)

// Promise pake-interop.
func TestAnotherImplementationProvesTheSamePasswords(t *testing.T) {
	o := newOther(t)
	for name, u := range map[string]Use{"identities": ForIdentities, "logins": ForLogins} {
		u.context = "" // it knows none
		stretching := map[string]any{"argon2id-custom": map[string]any{"iterations": u.cost[0], "memory": u.cost[1], "parallelism": u.cost[2]}}
		ours := map[string]any{"server": interRealm}
		t.Run("their client and our server, "+name, func(t *testing.T) {
			keys, err := u.NewKeys(interRealm)
			must(t, err)
			server, err := u.NewServer(keys)
			must(t, err)
			begun := o.asks("client", "startRegistration", map[string]any{"password": interPassword})
			who := &Registered{Credential: NewCredential()}
			response, err := server.Registration(o.bytes(begun["registrationRequest"]), who.Credential)
			must(t, err)
			done := o.asks("client", "finishRegistration", map[string]any{
				"password": interPassword, "registrationResponse": b64(response), "clientRegistrationState": begun["clientRegistrationState"],
				"identifiers": ours, "keyStretching": stretching,
			})
			who.Record = o.bytes(done["registrationRecord"])
			must(t, server.CheckRecord(who.Record))
			login := func(password string, who *Registered) ([]byte, *Attempt) {
				first := o.asks("client", "startLogin", map[string]any{"password": password})
				ke2, a, err := server.Login(o.bytes(first["startLoginRequest"]), who, "nobody")
				must(t, err)
				last := o.asks("client", "finishLogin", map[string]any{
					"clientLoginState": first["clientLoginState"], "loginResponse": b64(ke2), "password": password, "identifiers": ours, "keyStretching": stretching,
				})
				return o.bytes(last["finishLoginRequest"]), a
			}
			ke3, a := login(interPassword, who)
			if err := a.Finish(ke3); err != nil {
				t.Errorf("the right password: %v", err)
			}
			if ke3, _ := login("wrong", who); len(ke3) > 0 {
				t.Error("their client takes a wrong password")
			}
			if ke3, _ := login(interPassword, nil); len(ke3) > 0 {
				t.Error("their client takes nobody's password")
			}
		})
		t.Run("our client and their server, "+name, func(t *testing.T) {
			setup := o.asks("server", "createSetup", nil)["is"]
			client, err := u.NewClient(interRealm)
			must(t, err)
			secret := identity.NewSecret([]byte(interPassword))
			request, err := client.Register(secret)
			must(t, err)
			response := o.asks("server", "createRegistrationResponse", map[string]any{"serverSetup": setup, "userIdentifier": "ada", "registrationRequest": b64(request)})
			record, err := client.Record(o.bytes(response["registrationResponse"]))
			must(t, err)
			login := func(password string, record any) error {
				client, err := u.NewClient(interRealm)
				must(t, err)
				ke1, err := client.Login(identity.NewSecret([]byte(password)))
				must(t, err)
				answer := o.asks("server", "startLogin", map[string]any{
					"serverSetup": setup, "registrationRecord": record, "startLoginRequest": b64(ke1), "userIdentifier": "ada", "identifiers": ours,
				})
				ke3, err := client.Finish(o.bytes(answer["loginResponse"]))
				if err != nil {
					return err
				}
				o.asks("server", "finishLogin", map[string]any{"serverLoginState": answer["serverLoginState"], "finishLoginRequest": b64(ke3), "identifiers": ours})
				return nil
			}
			if err := login(interPassword, b64(record)); err != nil {
				t.Errorf("the right password: %v", err)
			}
			if err := login("wrong", b64(record)); !errors.Is(err, ErrWrong) {
				t.Errorf("a wrong password: %v", err)
			}
			if err := login(interPassword, nil); !errors.Is(err, ErrWrong) {
				t.Errorf("nobody: %v", err)
			}
		})
	}
}
