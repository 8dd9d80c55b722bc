// Command demofleet shows two servers of one realm on one PostgreSQL, as a transcript: a
// login, a server that is killed in its middle, and a revocation through the other. Servers
// and database are real processes in folders of its own, on loopback; it ends with 1 as soon
// as a scene does not go as it is told.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/test/fleet"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

func main() {
	ctx, end := context.WithTimeout(context.Background(), 3*time.Minute)
	err := run(ctx)
	end()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo-fleet: FAILED:", err)
		os.Exit(1)
	}
}

// stage is what the scenes are played on.
type stage struct {
	folder   string
	database *postgres.Server
	one, two *fleet.Process
	machine  *sallyport.Provider
	position provider.Position
	code     string
}

const (
	password = "correct horse battery"
	secret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" // of ada's one-time codes
)

func run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "sallyport-fleet-")
	if err != nil {
		return fmt.Errorf("a folder: %w", err)
	}
	s := &stage{folder: folder}
	defer func() { err = errors.Join(err, s.close(), os.RemoveAll(folder)) }()
	scenes := []struct {
		title string
		play  func(context.Context) error
	}{
		{"A realm on PostgreSQL, with two servers", s.found},
		{"A machine joins at the first server, and learns of both", s.join},
		{"ada signs in with password and code", s.signIn},
		{"ada asks the first server, bob the second: they make sure of each other over the telephone", s.telephone},
		{"The first server is killed in the middle of ada's login: she finishes at the second", s.kill},
		{"ada is disabled through the second server: the machine hears of it, and she is refused", s.revoke},
		{"The first server comes back, and knows all of it", s.back},
	}
	for i, scene := range scenes {
		fmt.Printf("\n── %d. %s\n", i+1, scene.title)
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
	}
	fmt.Printf("\nAll %d scenes went as told.\n", len(scenes))
	return nil
}

func (s *stage) close() error {
	var err error
	if s.machine != nil {
		err = s.machine.Close()
	}
	for _, p := range []*fleet.Process{s.one, s.two} {
		if p != nil {
			err = errors.Join(err, p.Stop())
		}
	}
	if s.database != nil {
		err = errors.Join(err, s.database.Stop())
	}
	return err
}

func say(format string, a ...any) { fmt.Printf("   "+format+"\n", a...) }

// show prints what a command said.
func show(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Print("   │ ", strings.TrimRight(line, "\n"), "\n")
	}
}

// command runs one on a server's folder, and shows it.
func command(ctx context.Context, p *fleet.Process, args ...string) (string, error) {
	say("$ sallyport-server %s", strings.Join(args, " "))
	out, err := p.Admin(ctx, "", args...)
	show(out)
	return out, err
}

func (s *stage) found(ctx context.Context) (err error) {
	say("PostgreSQL starts, in a folder of its own.")
	if s.database, err = postgres.Start(ctx); err != nil {
		return err
	}
	address, err := s.database.Schema(ctx)
	if err != nil {
		return err
	}
	binary, err := fleet.Build(ctx, s.folder)
	if err != nil {
		return err
	}
	s.one = &fleet.Process{Binary: binary, Dir: filepath.Join(s.folder, "one")}
	s.two = &fleet.Process{Binary: binary, Dir: filepath.Join(s.folder, "two")}
	if _, err := s.one.Admin(ctx, "", "init", "--realm", "example.org", "--listen", "127.0.0.1:0", "--database", address); err != nil {
		return err
	}
	say("The first server's folder is made; the second's with a copy of its seal.key.")
	if _, err := s.two.Admin(ctx, "", "init", "--listen", "127.0.0.1:0", "--database", address, "--seal-key", s.one.SealKey()); err != nil {
		return err
	}
	for _, p := range []*fleet.Process{s.one, s.two} {
		if err := p.Start(ctx); err != nil {
			return err
		}
		say("A server is ready on %s", p.URL)
	}
	_, err = command(ctx, s.one, "server", "list")
	return err
}

func (s *stage) join(ctx context.Context) error {
	out, err := s.one.Admin(ctx, "", "machine", "add", "laptop", "--json")
	if err != nil {
		return err
	}
	code, fingerprint := field(out, "code"), field(out, "fingerprint")
	j, err := sallyport.Join(ctx, sallyport.Server{URL: s.one.URL}, code, fingerprint)
	if err != nil {
		return err
	}
	s.machine, err = sallyport.New(sallyport.Options{
		URL: s.one.URL, Others: []string{s.two.URL}, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{},
	})
	say("laptop has joined. Its configuration says: url = [%q, %q]", s.one.URL, s.two.URL)
	return err
}

// field finds a text in one line of JSON.
func field(text, name string) string {
	_, rest, _ := strings.Cut(text, `"`+name+`":`)
	_, rest, _ = strings.Cut(rest, `"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// fresh gives ada codes anew, so that the one of now was not used.
func (s *stage) fresh(ctx context.Context) (err error) {
	_, _ = s.two.Admin(ctx, "", "account", "remove-totp", "ada") // before the first time there is none
	if _, err = s.two.Admin(ctx, secret, "account", "add-totp", "ada"); err == nil {
		s.code, err = totp.GenerateCode(secret, time.Now())
	}
	return err
}

func (s *stage) signIn(ctx context.Context) error {
	if _, err := s.one.Admin(ctx, "", "account", "add", "ada", "--full-name", "Ada Lovelace"); err != nil {
		return err
	}
	if _, err := s.one.Admin(ctx, password, "account", "set-password", "ada"); err != nil {
		return err
	}
	if err := s.fresh(ctx); err != nil {
		return err
	}
	e, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if err := s.step(ctx, e, identity.Password, password, provider.Continue); err != nil {
		return err
	}
	return s.step(ctx, e, identity.TOTP, s.code, provider.Allow)
}

func (s *stage) begin(ctx context.Context) (provider.Exchange, error) {
	e, reply, err := s.machine.Begin(ctx, provider.Attempt{Name: "ada", Service: "demo", Origin: identity.Seat()})
	if err == nil && reply.Outcome != provider.Continue {
		err = fmt.Errorf("a login of ada's does not begin: outcome %d", reply.Outcome)
	}
	return e, err
}

func (s *stage) step(ctx context.Context, e provider.Exchange, kind identity.FactorKind, answer string, want provider.Outcome) error {
	reply, err := e.Step(ctx, provider.Answer{Kind: kind, Credential: identity.NewSecret([]byte(answer))})
	if err != nil {
		return err
	}
	if reply.Outcome != want {
		return fmt.Errorf("the %s is answered with outcome %d, not %d", kind, reply.Outcome, want)
	}
	say("%s: %s", kind, map[provider.Outcome]string{provider.Continue: "right, and more is asked for", provider.Allow: "ada is in", provider.Deny: "refused"}[reply.Outcome])
	return nil
}

func (s *stage) kill(ctx context.Context) error {
	if err := s.fresh(ctx); err != nil {
		return err
	}
	e, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if err := s.step(ctx, e, identity.Password, password, provider.Continue); err != nil {
		return err
	}
	say("$ kill -9 the first server")
	if err := s.one.Kill(); err != nil {
		return err
	}
	if err := s.step(ctx, e, identity.TOTP, s.code, provider.Allow); err == nil {
		return errors.New("a step was taken by a server that is dead")
	}
	say("The step did not arrive. The machine begins anew at the second server, with what ada typed.")
	if e, err = s.begin(ctx); err != nil {
		return err
	}
	if err := s.step(ctx, e, identity.Password, password, provider.Continue); err != nil {
		return err
	}
	return s.step(ctx, e, identity.TOTP, s.code, provider.Allow)
}

func (s *stage) revoke(ctx context.Context) error {
	position, err := s.machine.List(ctx, func(provider.Record) error { return nil })
	if err != nil {
		return err
	}
	s.position = position
	heard, listening := make(chan error, 1), make(chan struct{})
	enough := errors.New("heard")
	go func() {
		heard <- s.machine.Watch(ctx, s.position, nil, func(e provider.Event) error {
			switch {
			case e.Kind == provider.CaughtUp:
				close(listening)
			case e.Kind == provider.Changed && e.Record.Token.State == identity.Disabled:
				return enough
			}
			return nil
		})
	}()
	select {
	case <-listening:
	case err := <-heard:
		return err
	}
	began := time.Now()
	if _, err := command(ctx, s.two, "account", "disable", "ada"); err != nil {
		return err
	}
	if err := <-heard; !errors.Is(err, enough) {
		return err
	}
	say("laptop knows it, %d ms after the command was typed.", time.Since(began).Milliseconds())
	return s.refused(ctx)
}

func (s *stage) refused(ctx context.Context) error {
	e, err := s.begin(ctx)
	if err != nil {
		return err
	}
	reply, err := e.Step(ctx, provider.Answer{Kind: identity.Password, Credential: identity.NewSecret([]byte(password))})
	for err == nil && reply.Outcome == provider.Continue {
		reply, err = e.Step(ctx, provider.Answer{Kind: reply.Offers[0], Credential: identity.NewSecret([]byte(s.code))})
	}
	if err != nil {
		return err
	}
	if reply.Outcome != provider.Deny {
		return errors.New("ada got in")
	}
	say("ada is refused.")
	return nil
}

func (s *stage) back(ctx context.Context) error {
	if err := s.one.Start(ctx); err != nil {
		return err
	}
	out, err := command(ctx, s.one, "account", "show", "ada")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "disabled") {
		return errors.New("the first server does not know that ada is disabled")
	}
	_, err = command(ctx, s.one, "audit", "verify")
	return err
}
