package providertest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func finds(t *testing.T, s Subject) {
	p := s.open(t)
	if err := p.Unready(); err != nil {
		t.Fatal(err)
	}
	r, err := p.Fetch(t.Context(), s.Person)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Token.Account; a.Name != s.Person || a.UID != s.UID {
		t.Errorf("by name: %+v", a)
	}
	n, err := p.FetchUID(t.Context(), s.UID)
	if err != nil || n.Token.Account.UUID != r.Token.Account.UUID {
		t.Errorf("by number: %+v, %v", n.Token, err)
	}
	v, err := p.Verify(r.Signed)
	if err != nil || v.Account.UUID != r.Token.Account.UUID || v.Realm != s.Settings.Realm {
		t.Errorf("what was signed: %+v, %v", v, err)
	}
	if _, err := p.Fetch(t.Context(), "nobody-of-that-name"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a name of nobody: %v", err)
	}
	if _, err := p.FetchUID(t.Context(), s.UID+12345); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a number of nobody: %v", err)
	}
}

func changed(t *testing.T, s Subject) {
	p := s.open(t)
	r, err := p.Fetch(t.Context(), s.Person)
	if err != nil {
		t.Fatal(err)
	}
	for at := range r.Signed {
		bad := bytes.Clone(r.Signed)
		bad[at] ^= 1
		if got, err := p.Verify(bad); !errors.Is(err, identity.ErrToken) {
			t.Fatalf("byte %d changed: %+v, %v", at, got, err)
		}
	}
	for _, bad := range [][]byte{nil, {}, {0}, r.Signed[:len(r.Signed)-1]} {
		if _, err := p.Verify(bad); !errors.Is(err, identity.ErrToken) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

// try answers with one password.
func try(ctx context.Context, p provider.Source, s Subject, password string) (provider.Reply, error) {
	x, r, err := p.Begin(ctx, provider.Attempt{Name: s.Person, Service: "test"})
	if err != nil || r.Outcome != provider.Continue {
		return r, err
	}
	return x.Step(ctx, provider.Answer{Kind: identity.Password, Credential: identity.NewSecret([]byte(password))})
}

func authenticates(t *testing.T, s Subject) {
	p := s.open(t)
	for password, want := range map[string]provider.Outcome{s.Password: provider.Allow, s.Password + "x": provider.Deny} {
		r, err := try(t.Context(), p, s, password)
		if err != nil || r.Outcome != want {
			t.Fatalf("outcome %d (%s), want %d: %v", r.Outcome, r.Message, want, err)
		}
		if want != provider.Allow {
			continue
		}
		if r.Session == nil || r.Session.Account != r.Record.Token.Account.UUID || r.Session.Machine != s.Settings.MachineID {
			t.Errorf("the session is of %+v", r.Session)
		}
		if v, err := p.Verify(r.Record.Signed); err != nil || v.Account.Name != s.Person {
			t.Errorf("the account that came with it: %+v, %v", v, err)
		}
	}
}

func offline(t *testing.T, s Subject) {
	p := s.open(t)
	r, err := p.Fetch(t.Context(), s.Person)
	if err != nil {
		t.Fatal(err)
	}
	s.Leave()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for what, err := range calls(ctx, p, s) {
		if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
			t.Errorf("%s without a server: %v", what, err)
		}
	}
	if _, err := p.Verify(r.Signed); err != nil {
		t.Errorf("what was signed before: %v", err)
	}
}

// calls are the errors of everything that asks the server.
func calls(ctx context.Context, p provider.Source, s Subject) map[string]error {
	all := map[string]error{}
	_, all["fetch"] = p.Fetch(ctx, s.Person)
	_, all["fetch by number"] = p.FetchUID(ctx, s.UID)
	_, all["authenticate"] = try(ctx, p, s, s.Password)
	if p.Lister != nil {
		_, all["list"] = p.Lister.List(ctx, func(provider.Record) error { return nil })
	}
	if p.Watcher != nil {
		all["watch"] = p.Watcher.Watch(ctx, provider.Position{}, nil, func(provider.Event) error { return nil })
	}
	if p.GroupFinder != nil {
		_, all["fetch a group"] = p.GroupFinder.FetchGroup(ctx, "some")
		_, all["fetch a group by number"] = p.GroupFinder.FetchGID(ctx, s.UID)
	}
	if p.PasswordChanger != nil {
		secret := identity.NewSecret([]byte(s.Password))
		_, all["change the password"] = p.PasswordChanger.ChangePassword(ctx, s.Person, identity.Origin{}, secret, identity.Secret{}, secret)
	}
	if p.KeyRegistrar != nil {
		all["register a key"] = p.KeyRegistrar.SetSealingKey(ctx, []byte("some"))
	}
	if p.LossReporter != nil {
		all["report a loss"] = p.LossReporter.ReportLost(ctx, [][]byte{{1}})
	}
	if p.VerdictGiver != nil {
		_, all["ask for a verdict"] = p.VerdictGiver.Verdict(ctx, s.Person)
	}
	if p.CardProver != nil {
		_, all["ask for a card certificate"] = p.CardProver.CardCertificate(ctx)
		_, all["ask for a card challenge"] = p.CardProver.CardChallenge(ctx, identity.CardServiceClaim{})
	}
	return all
}

func lists(t *testing.T, s Subject) {
	p := s.open(t)
	if p.Lister == nil {
		return // it says so in status
	}
	found := false
	at, err := p.Lister.List(t.Context(), func(r provider.Record) error {
		found = found || r.Token.Account.Name == s.Person
		return nil
	})
	if err != nil || !found {
		t.Fatalf("the list has the person: %v, %v", found, err)
	}
	if p.Watcher == nil {
		return
	}
	enough := errors.New("enough")
	err = p.Watcher.Watch(t.Context(), at, nil, func(e provider.Event) error {
		if e.Kind != provider.CaughtUp {
			t.Errorf("after a whole list came event %d", e.Kind)
		}
		return enough
	})
	if err == nil {
		t.Error("a stream that ended has no error")
	}
}
