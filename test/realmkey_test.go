package test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// realmList is the realm's own key list, which anybody may have.
func realmList(t *testing.T, r *machine.Realm) []byte {
	t.Helper()
	return servertest.Steal(t, r.Path(machine.ServerDir)).List
}

// found gives the realm of lies a realm key and a list of its own, and returns the
// fingerprint to join by.
func (r *realmOfLies) found(t *testing.T, a authority, version uint64) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := identity.NewSigner(key)
	must(t, err)
	trust := identity.TrustAuthority(a.Leaf)
	list, err := signer.SignKeyList(&identity.KeyList{Realm: machine.RealmName, Version: version, Keys: [][]byte{r.pub()}, TLS: []identity.TLSTrust{trust}})
	must(t, err)
	pub := key.Public().(ed25519.PublicKey)
	r.list, err = (&identity.KeyBundle{RealmKey: pub, List: list}).Encode()
	must(t, err)
	sum := identity.RealmFingerprint(pub, trust)
	return hex.EncodeToString(sum[:])
}

// alarm waits until status tells of it, and asks doctor and the log as well.
func alarm(t *testing.T, r *machine.Realm, says string) {
	t.Helper()
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "status"); err == nil || !strings.Contains(out, "ALARM") || !strings.Contains(out, says) {
			return fmt.Errorf("status ends with %w and says:\n%s", err, out)
		}
		return nil
	})
	if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "doctor"); err == nil || !strings.Contains(out, "PROBLEM") || !strings.Contains(out, says) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if out := r.Daemon.Output.String(); !strings.Contains(out, "ALARM") || !strings.Contains(out, says) {
		t.Errorf("the log does not tell:\n%s", tail(out, 20))
	}
}

// Promise keys-list.
func TestAThiefOfTheTLSAuthorityForgesNothing(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	stolen := realmAuthority(t, r)
	own := person(ada, 1900000100)
	own.Revision = 1 << 40
	must(t, r.Server.Stop(t.Context()))
	for sentence, c := range map[string]struct {
		list func(*realmOfLies) []byte
		says string
	}{
		"with the realm's own list": {func(*realmOfLies) []byte { return realmList(t, r) }, ""},
		"with a list of its own":    {func(l *realmOfLies) []byte { l.found(t, stolen, 1<<40); return l.list }, "is signed by another realm key"},
		"without a list":            {func(*realmOfLies) []byte { return nil }, "sends no key list"},
	} {
		t.Run(sentence, func(t *testing.T) {
			lies := newRealmOfLies(t)
			lies.tokens = []*identity.IDToken{own, person("mallory", 1900000200)}
			lies.list = c.list(lies)
			i := take(t, stolen.certificate(t), lies.handler(), nil)
			defer i.leave()
			if c.says != "" {
				alarm(t, r, c.says)
			}
			if out, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", "mallory"); err == nil {
				t.Errorf("the thief's account is there: %s", out)
			}
			keepsOut(t, ways(r, ada, "any password of the thief")["su"])
		})
	}
	must(t, r.StartServer(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	admin(t, r, "", "account", "disable", ada)
	within(t, r, machine.Patience, func() error {
		o, err := ways(r, ada, adaPass)["su"](t.Context())
		if err == nil && o.OK() {
			err = fmt.Errorf("the real server is not heard:\n%s", o.Screen)
		}
		return err
	})
	if out := script(t, r, "sallyport status || true"); strings.Contains(out, "ALARM") {
		t.Errorf("the alarm stays:\n%s", out)
	}
}

// Promise keys-alarms.
func TestARealmWithoutAccountsToldOfAStranger(t *testing.T) {
	r, ctx := bare(t), t.Context()
	must(t, r.StartServer(ctx))
	must(t, r.Join(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	stolen := realmAuthority(t, r)
	must(t, r.Server.Stop(ctx))
	lies := newRealmOfLies(t)
	lies.found(t, stolen, 1<<40)
	i := take(t, stolen.certificate(t), lies.handler(), nil)
	alarm(t, r, "is signed by another realm key")
	i.leave()
	take(t, newAuthority(t).certificate(t), lies.handler(), nil)
	alarm(t, r, "is signed by another realm key")
}

// Promise keys-emergency.
func TestAnEmergencyRotationEndsWhatAThiefOfBothKeysMade(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	stolen, list := realmAuthority(t, r), realmList(t, r)
	signing := servertest.Steal(t, r.Path(machine.ServerDir)).Signing
	must(t, r.Server.Stop(t.Context()))

	lies := newRealmOfLies(t)
	lies.key, lies.list = signing, list
	mallory := person("mallory", 1900000200)
	mallory.Revision = 1 << 40
	lies.tokens = []*identity.IDToken{mallory}
	i := take(t, stolen.certificate(t), lies.handler(), nil)
	// With both keys, at the server's address, the thief is the server.
	must(t, r.WaitOnline(t.Context()))
	script(t, r, "sallyport cache clear") // so that it is asked for the whole list
	within(t, r, machine.Patience, func() error {
		_, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", "mallory")
		return err
	})
	i.leave()

	admin(t, r, "", "keys", "rotate", "--emergency")
	admin(t, r, "", "keys", "new-ca")
	must(t, r.StartServer(t.Context()))
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", "mallory"); err == nil {
			return fmt.Errorf("still there: %s", out)
		}
		return nil
	})
	must(t, r.WaitOnline(t.Context()))
	lets(t, ways(r, ada, adaPass)["su"], ada)
	// What was stolen is worth nothing now.
	must(t, r.Server.Stop(t.Context()))
	take(t, stolen.certificate(t), lies.handler(), nil)
	alarm(t, r, "older than one that this machine has seen")
	if out, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", "mallory"); err == nil {
		t.Errorf("the thief's account is back: %s", out)
	}
}

// Promise keys-any-authority.
func TestARenewedCertificateNeedsNoVisit(t *testing.T) {
	r, ctx := bare(t), t.Context()
	install := func(a authority) {
		c := a.certificate(t)
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		must(t, err)
		chain := append(block("CERTIFICATE", c.Certificate[0]), block("CERTIFICATE", c.Certificate[1])...)
		must(t, os.WriteFile(r.Path("/srv/tls.crt"), chain, 0o600))
		must(t, os.WriteFile(r.Path("/srv/tls.key"), block("PRIVATE KEY", key), 0o600))
	}
	first := newAuthority(t)
	install(first)
	_, err := r.Run(ctx, "/usr/sbin/sallyport-server", "init", "--dir", machine.ServerDir, "--realm", machine.RealmName,
		"--listen", "127.0.0.1:8443", "--tls-cert", "/srv/tls.crt", "--tls-key", "/srv/tls.key")
	must(t, err)
	must(t, r.StartServer(ctx))
	must(t, r.AddPerson(ctx, ada, adaPass, adaKey+".pub", "admins"))
	must(t, r.Join(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	for sentence, a := range map[string]authority{"a new leaf": first, "a new authority": newAuthority(t)} {
		must(t, r.Server.Stop(ctx))
		must(t, r.WaitOffline(ctx))
		install(a)
		must(t, r.StartServer(ctx))
		must(t, r.WaitOnline(ctx))
		if s := lets(t, ways(r, ada, adaPass)["su"], ada); strings.Contains(s, "Offline") {
			t.Errorf("%s:\n%s", sentence, s)
		}
	}
	if out := r.Daemon.Output.String(); strings.Contains(out, "ALARM") {
		t.Errorf("an alarm:\n%s", tail(out, 20))
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// asBefore makes realm and machine what they were before there were realm keys.
func asBefore(t *testing.T, r *machine.Realm) {
	t.Helper()
	var keys struct {
		Signing []string `json:"signing_keys"`
	}
	must(t, json.Unmarshal([]byte(admin(t, r, "", "keys", "show", "--json")), &keys))
	kept := struct {
		Realm string   `cbor:"1,keyasint"`
		Keys  [][]byte `cbor:"2,keyasint"`
	}{Realm: machine.RealmName}
	for _, k := range keys.Signing {
		raw, err := hex.DecodeString(k)
		must(t, err)
		kept.Keys = append(kept.Keys, raw)
	}
	b, err := cbor.Marshal(kept)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := cache.Open(ctx, r.Path("/var/lib/sallyport/cache.db"), cache.Options{})
	must(t, err)
	must(t, c.Remember(ctx, "sallyport realm keys", b))
	must(t, c.Close())
	db := postgres.Raw(t, "", r.Path(machine.ServerDir+"/sallyport.db"))
	_, err = db.ExecContext(ctx, `DELETE FROM key_list`)
	must(t, err)
	must(t, db.Close())
	script(t, r, `chown sallyport:sallyport /var/lib/sallyport/*
		rm `+machine.ServerDir+`/realm.key
		cp `+machine.ServerDir+`/ca.crt /etc/sallyport/server-ca.pem`)
}

// Promise keys-from-before.
func TestAJoinedMachineMovesOverByItself(t *testing.T) {
	r, ctx := bare(t), t.Context()
	must(t, r.StartServer(ctx))
	must(t, r.AddPerson(ctx, ada, adaPass, adaKey+".pub", "admins"))
	must(t, r.Join(ctx))
	must(t, r.Server.Stop(ctx))
	asBefore(t, r)
	must(t, r.StartServer(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	lets(t, ways(r, ada, adaPass)["su"], ada)
	// The realm key counts from then on: the authority that was pinned once may go.
	admin(t, r, "", "keys", "new-ca")
	admin(t, r, "", "keys", "rotate")
	must(t, r.Server.Stop(ctx))
	must(t, r.WaitOffline(ctx))
	must(t, r.StartServer(ctx))
	must(t, r.WaitOnline(ctx))
	if s := lets(t, ways(r, ada, adaPass)["su"], ada); strings.Contains(s, "Offline") {
		t.Errorf("offline:\n%s", s)
	}
	if out := r.Daemon.Output.String(); strings.Contains(out, "ALARM") {
		t.Errorf("an alarm:\n%s", tail(out, 20))
	}
}

// Promise keys-realm-key.
func TestALostRealmKeyIsReplacedByANamedCommand(t *testing.T) {
	r := joined(t)
	script(t, r, "rm "+machine.ServerDir+"/realm.key")
	out := admin(t, r, "", "realm-key", "new", "--json")
	alarm(t, r, "sallyport trust --fingerprint")
	var keys struct {
		Fingerprint string `json:"fingerprint"`
	}
	must(t, json.Unmarshal([]byte(out), &keys))
	if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "trust", "--fingerprint", strings.Repeat("00", 32)); err == nil {
		t.Errorf("a wrong fingerprint is taken: %s", out)
	}
	told, err := r.Run(t.Context(), "/usr/bin/sallyport", "trust", "--fingerprint", keys.Fingerprint)
	must(t, err)
	if !strings.Contains(told, "start it anew") { // there is no systemd here
		t.Errorf("it says:\n%s", told)
	}
	must(t, r.Daemon.Stop(t.Context()))
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	lets(t, ways(r, ada, adaPass)["su"], ada)
}
