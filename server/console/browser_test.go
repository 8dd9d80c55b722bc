//go:build browser

package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/identities"
)

// Promise console-browser.
func TestAPersonVerifiesAnotherInARealBrowser(t *testing.T) {
	r := identities.New(t)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Console: proto.Bool(true), VerifyServerKeys: proto.Bool(true)}))
	must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	must(r.Admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte(servertest.Right)}))
	must(r.Admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(servertest.TOTPKey)}))
	must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob", FullName: "Bob <i>Smith</i>"}))

	// Bob's end is a machine's, whose key is this one.
	private, err := verify.NewKey()
	must(nil, err)
	bob := verify.Party{Realm: identities.Name}
	alice := verify.Party{Realm: identities.Name}
	bob.Public, err = verify.Public(private)
	must(nil, err)
	database, err := store.Open(t.Context(), realm.Dir(r.Folder).Database())
	must(nil, err)
	t.Cleanup(func() { _ = database.Close() })
	ids := func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		must(nil, err)
		b, err := tx.AccountByName("bob")
		alice.ID, bob.ID = a.UUID, b.UUID
		return err
	}
	must(nil, database.Read(t.Context(), ids))
	must(nil, database.Write(t.Context(), func(tx *store.Tx) error {
		return tx.SetVerifyKey(bob.ID, store.VerifyKey{Public: bob.Public, Made: time.Now().Add(-50 * time.Hour)})
	}))

	b := newChromium(t)
	b.open(r.URL + path)
	b.picture("1-sign-in")
	b.types("#sign-in #name", "alice")
	b.types("#sign-in #password", servertest.Right)
	b.clicks("#sign-in button")
	code, err := totp.GenerateCode(servertest.TOTPKey, time.Now())
	must(nil, err)
	b.types("#code #code-field", code)
	b.clicks("#code button")
	b.find("#home")
	b.picture("2-no-key")
	b.clicks(`#home button[value="make"]`)
	b.types("#home #name", "bob")
	b.picture("3-key")
	b.clicks("#home .stack button")
	b.find("#call")
	b.picture("4-call")
	if got := b.text("#call h1"); got != "Bob <i>Smith</i>" {
		t.Errorf("his name is shown as %q", got)
	}
	must(nil, database.Read(t.Context(), func(tx *store.Tx) error {
		k, err := tx.VerifyKey(alice.ID)
		alice.Public = k.Public
		return err
	}))
	call, err := verify.Begin(private, bob, alice, "")
	must(nil, err)
	if _, right, err := call.Hear(b.text("#call .code"), time.Now()); err != nil || !right {
		t.Errorf("the code that is shown is wrong at bob's machine: %v", err)
	}
	say, _ := call.Say(time.Now())
	b.types("#call #code-field", say)
	b.clicks("#call .stack button")
	verdict := b.text("#call .good")
	b.picture("5-verdict")
	if got := verdict; !strings.Contains(got, "Confirmed") || !strings.Contains(got, "bob@example.org") {
		t.Errorf("verdict: %q", got)
	}
	b.open(r.URL + path)
	b.clicks("header button")
	if got := b.text("#sign-in h1"); got != "Sign in" {
		t.Errorf("after signing out: %q", got)
	}
	if all := b.logged(); len(all) > 0 {
		t.Errorf("the browser says:\n%s", strings.Join(all, "\n"))
	}
}
