package pake_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
)

const realmName = "example.org"

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

type rig struct {
	*testing.T
	server *pake.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	keys, err := pake.ForIdentities.NewKeys(realmName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pake.ForIdentities.NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, s}
}

func (r *rig) must(b []byte, err error) []byte {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	return b
}

func (r *rig) client(realm string) *pake.Client {
	r.Helper()
	c, err := pake.ForIdentities.NewClient(realm)
	r.must(nil, err)
	return c
}

func (r *rig) register(password string) *pake.Registered {
	r.Helper()
	c, credential := r.client(realmName), pake.NewCredential()
	request := r.must(c.Register(secret(password)))
	response := r.must(r.server.Registration(request, credential))
	return &pake.Registered{Credential: credential, Record: r.must(c.Record(response))}
}

// login returns what the client and what the server make of it. Where the client finds that the
// password is wrong it sends ke3 in place of its own.
func (r *rig) login(realm, password string, who *pake.Registered, ke3 []byte) (client, server error) {
	r.Helper()
	c := r.client(realm)
	ke1 := r.must(c.Login(secret(password)))
	ke2, a, err := r.server.Login(ke1, who, "nobody")
	r.must(nil, err)
	own, client := c.Finish(ke2)
	if client != nil {
		own = ke3
	}
	return client, a.Finish(own)
}

// Promise pake-password.
func TestOnlyTheRegisteredPasswordIsProved(t *testing.T) {
	r := newRig(t)
	who, other := r.register("right"), r.register("right")
	junk := bytes.Repeat([]byte{1}, 64)
	for name, c := range map[string]struct {
		realm, password string
		who             *pake.Registered
		want            error
	}{
		"right":           {realmName, "right", who, nil},
		"wrong":           {realmName, "wrong", who, pake.ErrWrong},
		"empty":           {realmName, "", who, pake.ErrWrong},
		"nobody":          {realmName, "right", nil, pake.ErrWrong},
		"another realm":   {"example.com", "right", who, pake.ErrWrong},
		"under another's": {realmName, "right", &pake.Registered{Credential: other.Credential, Record: who.Record}, pake.ErrWrong},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := r.login(c.realm, c.password, c.who, junk)
			if !errors.Is(client, c.want) || !errors.Is(server, c.want) {
				t.Errorf("the client says %v, the server %v", client, server)
			}
		})
	}
	t.Run("another server's keys", func(t *testing.T) {
		if _, err := newRig(t).login(realmName, "right", who, junk); !errors.Is(err, pake.ErrWrong) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a last message of another login", func(t *testing.T) {
		c := r.client(realmName)
		ke2, _, err := r.server.Login(r.must(c.Login(secret("right"))), who, "")
		r.must(nil, err)
		ke3 := r.must(c.Finish(ke2))
		if _, err := r.login(realmName, "wrong", who, ke3); !errors.Is(err, pake.ErrWrong) {
			t.Errorf("%v", err)
		}
	})
}

// Whoever asks for nobody twice sees what they see of somebody: the same evaluation each time.
// Promise pake-nobody.
func TestNobodyLooksLikeSomebody(t *testing.T) {
	r := newRig(t)
	ke1 := r.must(r.client(realmName).Login(secret("a guess")))
	answers := func(who *pake.Registered, name string) (a, b []byte) {
		one, _, err := r.server.Login(ke1, who, name)
		r.must(nil, err)
		two, _, err := r.server.Login(ke1, who, name)
		r.must(nil, err)
		return one, two
	}
	const element = 32 // of the group, which the evaluation is
	some1, some2 := answers(r.register("right"), "somebody")
	none1, none2 := answers(nil, "nobody")
	other, _ := answers(nil, "nobody else")
	if len(some1) != len(none1) {
		t.Errorf("%d bytes for somebody, %d for nobody", len(some1), len(none1))
	}
	for who, two := range map[string][2][]byte{"somebody": {some1, some2}, "nobody": {none1, none2}} {
		if !slices.Equal(two[0][:element], two[1][:element]) || slices.Equal(two[0], two[1]) {
			t.Errorf("%s is answered with %x and then with %x", who, two[0], two[1])
		}
	}
	if slices.Equal(none1[:element], other[:element]) {
		t.Error("two who are nobody are answered alike")
	}
}

func FuzzMessagesOfStrangers(f *testing.F) {
	keys, err := pake.ForIdentities.NewKeys(realmName)
	if err != nil {
		f.Fatal(err)
	}
	s, err := pake.ForIdentities.NewServer(keys)
	if err != nil {
		f.Fatal(err)
	}
	c, err := pake.ForIdentities.NewClient(realmName)
	if err != nil {
		f.Fatal(err)
	}
	ke1, _ := c.Login(secret("x"))
	f.Add(ke1)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, a, err := s.Login(b, nil, "nobody"); err == nil && a.Finish(b) == nil {
			t.Errorf("%x is let in", b)
		}
		_, _ = s.Registration(b, pake.NewCredential())
		_ = s.CheckRecord(b)
	})
}

// TestAServerOutlivesTheKeysThatItWasMadeOf: they are wiped, and made into a server once.
func TestAServerOutlivesTheKeysThatItWasMadeOf(t *testing.T) {
	keys, err := pake.ForLogins.NewKeys(realmName)
	if err != nil {
		t.Fatal(err)
	}
	stored, opened := bytes.Clone(keys.Reveal()), 0
	open := func(sealed []byte) (identity.Secret, error) {
		opened++
		return identity.NewSecret(bytes.Clone(sealed)), nil
	}
	fresh, err := pake.ForLogins.NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pake.ForLogins.NewClient(realmName)
	if err != nil {
		t.Fatal(err)
	}
	ke1, err := c.Register(secret("a password"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := fresh.Registration(ke1, []byte("credential"))
	if err != nil {
		t.Fatal(err)
	}
	var kept pake.Kept
	for range 2 {
		s, err := kept.Server(pake.ForLogins, stored, open)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Registration(ke1, []byte("credential")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("it answers %x, %v, not %x", got, err, want)
		}
	}
	if opened != 1 {
		t.Errorf("the keys were decrypted %d times", opened)
	}
	other, err := pake.ForLogins.NewKeys(realmName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := kept.Server(pake.ForLogins, other.Reveal(), open)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Registration(ke1, []byte("credential")); err != nil || bytes.Equal(got, want) {
		t.Errorf("other keys answer alike, or not: %v", err)
	}
}
