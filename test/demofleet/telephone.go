package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/fleet"
)

// caller is a person on the telephone, at a machine that knows one of the servers alone.
type caller struct {
	name    string
	machine *sallyport.Provider
	cache   *cache.Cache
	desk    *verification.Desk
	id      uuid.UUID
}

func (c *caller) close() error { return errors.Join(c.machine.Close(), c.cache.Close()) }

// telephone has ada, at the first server, and bob, at the second, make sure of each other.
func (s *stage) telephone(ctx context.Context) (err error) {
	if _, err := s.two.Admin(ctx, "", "account", "add", "bob", "--full-name", "Bob Smith"); err != nil {
		return err
	}
	if _, err := s.two.Admin(ctx, password, "account", "set-password", "bob"); err != nil {
		return err
	}
	if err := s.fresh(ctx); err != nil {
		return err
	}
	ada, err := s.caller(ctx, "ada", s.one)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ada.close()) }()
	bob, err := s.caller(ctx, "bob", s.two)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bob.close()) }()
	for _, c := range []*caller{ada, bob} {
		if err := c.setUp(ctx, s.code); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if err := ada.hears(ctx, bob); err != nil {
		return err
	}
	if err := bob.hears(ctx, ada); err != nil {
		return err
	}
	log, err := s.one.Admin(ctx, "", "audit")
	say("$ sallyport-server audit")
	for line := range strings.Lines(log) {
		if strings.Contains(line, "verify.") {
			show(line)
		}
	}
	return err
}

// caller joins a machine at that server.
func (s *stage) caller(ctx context.Context, name string, at *fleet.Process) (*caller, error) {
	out, err := at.Admin(ctx, "", "machine", "add", "telephone-"+name, "--json")
	if err != nil {
		return nil, err
	}
	j, err := sallyport.Join(ctx, sallyport.Server{URL: at.URL}, field(out, "code"), field(out, "fingerprint"))
	if err != nil {
		return nil, err
	}
	c := &caller{name: name}
	c.machine, err = sallyport.New(sallyport.Options{
		URL: at.URL, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{},
	})
	if err != nil {
		return nil, err
	}
	if c.cache, err = cache.Open(ctx, filepath.Join(s.folder, name+".db"), cache.Options{}); err != nil {
		return nil, errors.Join(err, c.machine.Close())
	}
	sealer, err := seal.CreateFile(filepath.Join(s.folder, name+".key"))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.desk = verification.New(verification.Options{Cache: c.cache, Sealer: sealer, Realm: j.Realm, Machine: j.MachineID, Now: time.Now})
	say("%s's machine joins at %s, and knows no other server", name, at.URL)
	return c, nil
}

// setUp makes a key, and tells the realm its public half.
func (c *caller) setUp(ctx context.Context, code string) error {
	_, err := c.machine.List(ctx, func(r provider.Record) error {
		if string(r.Token.Account.Name) == c.name {
			c.id = r.Token.Account.UUID
		}
		return nil
	})
	if err != nil {
		return err
	}
	key, err := c.desk.NewKey(ctx, c.id)
	if err != nil {
		return err
	}
	e, reply, err := c.machine.Begin(ctx, provider.Attempt{
		Name: identity.Name(c.name), Service: "demo", Origin: identity.Seat(), Purpose: identity.PurposeOfVerifyKey(key.Public, false),
	})
	answers := map[identity.FactorKind]string{identity.Password: password, identity.TOTP: code}
	for err == nil && reply.Outcome == provider.Continue {
		kind := reply.Offers[0]
		if _, can := answers[kind]; !can {
			kind = identity.Password
		}
		reply, err = e.Step(ctx, provider.Answer{Kind: kind, Credential: identity.NewSecret([]byte(answers[kind]))})
	}
	if err != nil {
		return err
	}
	if reply.Outcome != provider.Allow {
		return errors.New("the proof for a key was refused")
	}
	if key.Made, err = c.machine.SetVerifyKey(ctx, reply.SignedSession, key.Public, false); err != nil {
		return err
	}
	say("%s has a key; its fingerprint is %s", c.name, verify.Fingerprint(key.Public))
	return c.desk.Keep(ctx, c.id, key)
}

// call asks the caller's own server about the other, and is what stands on the screen.
func (c *caller) call(ctx context.Context, other *caller) (report.VerifyCall, error) {
	person, own, err := c.machine.FindVerifyPerson(ctx, c.name, other.name, "")
	if err == nil {
		err = c.desk.Learn(ctx, c.id, person, own)
	}
	if err != nil {
		return report.VerifyCall{}, err
	}
	call, _, err := c.desk.Say(ctx, c.id, verification.Who{Name: other.name})
	return call, err
}

// hears types what the other says.
func (c *caller) hears(ctx context.Context, other *caller) error {
	said, err := other.call(ctx, c)
	if err != nil {
		return err
	}
	shown, err := c.call(ctx, other)
	if err != nil {
		return err
	}
	v, is, err := c.desk.Hear(ctx, c.id, verification.Who{Name: other.name}, report.VerifyHeard{PublicKey: shown.PublicKey, Code: said.Say})
	if err != nil {
		return err
	}
	say("%s says %q, and %s, whose server shows %s, hears it: %s", other.name, said.Say, c.name, shown.FullName, v.Verdict)
	if v.Verdict != verify.Confirmed {
		return errors.New("it was not confirmed")
	}
	return c.machine.NoteVerification(ctx, provider.VerifyNote{Account: c.name, ID: is.ID, Event: provider.VerifyConfirmed})
}
