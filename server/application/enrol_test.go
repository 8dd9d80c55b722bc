package application_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
)

// hello announces by hand, and returns the code.
func (r *rig) hello(app party) string {
	r.T.Helper()
	code := message.NewRequest()
	r.cause("hello", app, r.sealed(r.craft(app, message.Hello), message.HelloBody{Code: code}), "")
	return code
}

// binds sends a public key with a code.
func (r *rig) binds(app party, code string, k message.Key) application.Cause {
	r.T.Helper()
	public, err := k.ArmoredPublic()
	r.Must(nil, err)
	_, cause := r.answer(party{key: k}, r.sealed(r.craft(app, message.InstanceKey), message.InstanceKeyBody{Code: code, Key: public}))
	return cause
}

func (r *rig) newKey() message.Key {
	r.T.Helper()
	k, err := message.NewKey("somebody", r.Now())
	r.Must(nil, err)
	return k
}

// Promise application-codes.
func TestACodeOfHelloIsGoodOnceForFiveMinutesAndForOneApplication(t *testing.T) {
	r := newRig(t)
	app, other := r.application(), named(message.Application, r.private(filepath.Join(r.ship("other"), client.ApplicationKey), nil))
	check := func(what string, got, want application.Cause) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	code, k := r.hello(app), r.newKey()
	check("another code", r.binds(app, message.NewRequest(), k), application.WrongCode)
	check("another application", r.binds(other, code, k), application.WrongCode)
	check("the realm's key", r.binds(app, code, r.realmKey()), application.KeyTaken)
	check("its own key", r.binds(app, code, app.key), application.KeyTaken)
	check("as it has to be", r.binds(app, code, k), "")
	check("once more", r.binds(app, code, r.newKey()), application.WrongCode)
	check("a key that is there", r.binds(app, r.hello(app), k), application.KeyTaken)
	late := r.hello(app)
	r.later(5 * time.Minute)
	check("too late", r.binds(app, late, r.newKey()), application.WrongCode)
}

// Promise application-codes.
func TestAnAdministratorsCodeBindsOneKeyAtTheInstanceThatProvedIt(t *testing.T) {
	r := newRig(t)
	i, other := r.announced(), r.announced()
	register := func(i instance, code string) error {
		_, err := i.Register(t.Context(), "", code, []byte(passphrase))
		return err
	}
	code := r.invite("alice")
	r.wants("another code", register(i, "MFRGGZDFMZTWQ2LKNNWG23TPOA"), application.WrongCode)
	r.wants("as it has to be", register(i, code), "")
	r.wants("once more", register(other, code), application.WrongCode)
	code = r.invite("alice")
	r.later(15 * time.Minute)
	r.wants("too late", register(i, code), application.WrongCode)
	r.wants("of a disabled account", register(i, r.invite("dora")), application.Account)
	r.cause("of a disabled account, at once", i.self(), r.sealed(r.craft(i.self(), message.Code), message.CodeBody{Code: r.invite("dora")}), application.Account)

	// The second step, by hand.
	self, elsewhere := i.self(), other.self()
	begin := func() string {
		c := r.craft(self, message.Code)
		r.cause("code", self, r.sealed(c, message.CodeBody{Code: r.invite("carol")}), "")
		return c.e.Request
	}
	finish := r.finish
	well := func(*crafted) {}
	registration := begin()
	stranger := r.newKey()
	for what, c := range map[string]struct {
		from         party
		registration string
		prove        func(*crafted)
		cause        application.Cause
	}{
		"from another instance":    {elsewhere, registration, well, application.WrongCode},
		"of another registration":  {self, message.NewRequest(), well, application.WrongCode},
		"without the private half": {self, registration, func(c *crafted) { c.signer = stranger }, application.Signature},
		"with an order as proof":   {self, registration, func(c *crafted) { c.e.Purpose = message.Read }, application.WrongPurpose},
		"with a proof of before":   {self, registration, func(c *crafted) { c.e.Request = message.NewRequest() }, application.Replayed},
	} {
		if got := finish(c.from, c.registration, c.prove); got != c.cause {
			t.Errorf("%s: %q, want %q", what, got, c.cause)
		}
	}
	if got := finish(self, registration, well); got != "" {
		t.Errorf("as it has to be: %q", got)
	}
	if got := finish(self, registration, well); got != application.WrongCode {
		t.Errorf("once more: %q", got)
	}
	late := begin()
	r.later(5 * time.Minute)
	if got := finish(self, late, well); got != application.WrongCode {
		t.Errorf("too late: %q", got)
	}
}

// finish sends a key of a person that is new, with the proof as a test changes it.
func (r *rig) finish(from party, registration string, prove func(proof *crafted)) application.Cause {
	r.T.Helper()
	who := named(message.Person, r.newKey())
	c, proof := r.craft(from, message.PersonKey), r.craft(who, message.PersonProof)
	proof.e.Via, proof.e.Request = &from.Party, c.e.Request
	prove(proof)
	public, err := who.key.ArmoredPublic()
	r.Must(nil, err)
	_, cause := r.answer(from, r.sealed(c, message.PersonKeyBody{Registration: registration, Key: public, Proof: r.signed(proof, message.EmptyBody{})}))
	return cause
}

// Promise application-flood.
func TestAFloodOfHellosLeavesRoomForOthersAndTheNewest(t *testing.T) {
	r := newRig(t)
	app, other := r.application(), named(message.Application, r.private(filepath.Join(r.ship("other"), client.ApplicationKey), nil))
	first := r.hello(app)
	patient := r.hello(other)
	var last string
	for n := range 1000 {
		if last = r.hello(app); n%100 == 0 {
			r.later(time.Second)
		}
	}
	if _, n := counts(r); n != 1001 {
		t.Errorf("%d codes are kept", n)
	}
	if got := r.binds(app, first, r.newKey()); got != application.WrongCode {
		t.Errorf("the oldest: %q", got)
	}
	for what, c := range map[string]struct {
		app  party
		code string
	}{"the newest": {app, last}, "another application's": {other, patient}} {
		if got := r.binds(c.app, c.code, r.newKey()); got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// Promise application-flood.
func TestWhoFloodsIsHeldBackByAddress(t *testing.T) {
	r := newRig(t)
	statuses := map[int]int{}
	for range 70 {
		resp, err := http.Post(r.url, "", strings.NewReader("noise"))
		r.Must(nil, err)
		_ = resp.Body.Close()
		statuses[resp.StatusCode]++
	}
	if statuses[http.StatusBadRequest] < 60 || statuses[http.StatusTooManyRequests] < 1 {
		t.Errorf("from one address: %v", statuses)
	}
	if status := r.from("192.0.2.1:1", "noise"); status != http.StatusBadRequest {
		t.Errorf("from another address: %d", status)
	}
	if status := r.from("192.0.2.2:1", strings.Repeat("x", 64<<10+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: %d", status)
	}
}

func TestAnInstanceIsMadeOnceAndStaysOverARestart(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	if _, err := i.Init(t.Context(), r.shipped, r.server()); !errors.Is(err, client.ErrThere) {
		t.Errorf("again: %v", err)
	}
	folder := string(r.Dir)
	r.Must(nil, r.Close())
	r.Open(folder)
	r.serve()
	i.point(r)
	if got := r.does(s, message.Create, text("notes/one", "x", 0)); !got.Done {
		t.Errorf("%+v", got)
	}
	files, err := os.ReadDir(i.Folder)
	r.Must(nil, err)
	for _, f := range files {
		info, err := f.Info()
		r.Must(nil, err)
		b, err := os.ReadFile(filepath.Join(i.Folder, f.Name()))
		r.Must(nil, err)
		if info.Mode().Perm() != 0o600 || strings.Contains(string(b), passphrase) {
			t.Errorf("%s has mode %o", f.Name(), info.Mode().Perm())
		}
	}
	if _, err := i.Open("alice", []byte("another")); !errors.Is(err, message.ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
}

// Promise application-weak-keys.
func TestAKeyThatHasExpiredIsNobodys(t *testing.T) {
	// Made at 1,800,000,000 for a day: the key, or the part of it that answers are encrypted to.
	for _, file := range []string{"testdata/expires", "testdata/subkey-expires"} {
		t.Run(file, func(t *testing.T) {
			r := newRig(t)
			app := r.application()
			k, public := r.private(file+".key", nil), readFile(t, file+".pub")
			bind := func() application.Cause {
				_, cause := r.answer(party{key: k}, r.sealed(r.craft(app, message.InstanceKey), message.InstanceKeyBody{Code: r.hello(app), Key: public}))
				return cause
			}
			if got := bind(); got != "" {
				t.Fatalf("in its time: %q", got)
			}
			self := named(message.Instance, k)
			m := func() []byte { return r.sealed(r.craft(self, message.Code), message.CodeBody{Code: "x"}) }
			r.cause("in its time", self, m(), application.WrongCode)
			sooner := m()
			r.later(25 * time.Hour)
			if status := r.send(sooner); status != http.StatusBadRequest {
				t.Errorf("when it has expired: %d", status)
			}
			r.Must(r.Admin.RevokeInstance(t.Context(), &v1.FingerprintRequest{Fingerprint: k.Fingerprint()}))
			if got := bind(); got != application.BadKey {
				t.Errorf("bound when it has expired: %q", got)
			}
		})
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stuck is a body that comes when it is told to.
type stuck struct{ begun, end chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	close(s.begun)
	<-s.end
	return 0, io.EOF
}

// Promise application-flood.
func TestWhoSendsSlowlyKeepsNobodyElseWaiting(t *testing.T) {
	r := newRig(t)
	end := make(chan struct{})
	over := sync.OnceFunc(func() { close(end) })
	defer over()
	var all sync.WaitGroup
	for n := range 40 { // more than are answered at a time
		s := stuck{make(chan struct{}), end}
		all.Go(func() { _ = r.sends(fmt.Sprintf("192.0.2.%d:1", n/4), s) })
		select {
		case <-s.begun:
		case <-time.After(20 * time.Second):
			t.Fatalf("the %dth is not listened to", n)
		}
	}
	if status := r.from("192.0.2.3:1", "noise"); status != http.StatusTooManyRequests {
		t.Errorf("a fifth from one address: %d", status)
	}
	if status := r.from("198.51.100.1:1", "noise"); status != http.StatusBadRequest {
		t.Errorf("from another: %d", status)
	}
	over()
	all.Wait()
	if status := r.from("192.0.2.3:1", "noise"); status != http.StatusBadRequest {
		t.Errorf("later: %d", status)
	}
}
