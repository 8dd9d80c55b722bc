package nss_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/wire"
)

// answers gives the same account, group, ids and error to every question.
type answers struct {
	account identity.Account
	group   identity.GroupEntry
	gids    []uint32
	keys    []identity.SSHKey
	lines   map[string][]string
	err     error
	wait    bool // until the context ends
	panics  bool
}

func (a *answers) answer(ctx context.Context) error {
	if a.panics {
		panic("on purpose")
	}
	if a.wait {
		<-ctx.Done()
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, ctx.Err())
	}
	return a.err
}

func (a *answers) AccountByName(ctx context.Context, _ string) (identity.Account, error) {
	return a.account, a.answer(ctx)
}

func (a *answers) AccountByUID(ctx context.Context, _ uint32) (identity.Account, error) {
	return a.account, a.answer(ctx)
}

func (a *answers) GroupByName(ctx context.Context, _ string) (identity.GroupEntry, error) {
	return a.group, a.answer(ctx)
}

func (a *answers) GroupByGID(ctx context.Context, _ uint32) (identity.GroupEntry, error) {
	return a.group, a.answer(ctx)
}

func (a *answers) GroupsOf(ctx context.Context, _ string) (identity.GroupIDs, error) {
	return identity.GroupIDs{GIDs: a.gids}, a.answer(ctx)
}

func (a *answers) Accounts(ctx context.Context, each func(identity.Account) error) error {
	if err := a.answer(ctx); err != nil {
		return err
	}
	return each(a.account)
}

func (a *answers) Groups(ctx context.Context, each func(identity.GroupEntry) error) error {
	if err := a.answer(ctx); err != nil {
		return err
	}
	return each(a.group)
}

func (a *answers) CertificateFor(ctx context.Context, _ identity.Peer, name, certificate string) ([]string, error) {
	if name != "alice" {
		return nil, identity.ErrNotFound
	}
	return a.lines[certificate], a.answer(ctx)
}

func (a *answers) KeysFor(ctx context.Context, peer identity.Peer, name string) ([]identity.SSHKey, error) {
	if int(peer.PID) != os.Getpid() || name == "" {
		return nil, errors.New("not from the kernel")
	}
	return a.keys, a.answer(ctx)
}

func good() *answers {
	return &answers{
		account: identity.Account{Name: "alice", UID: 70001, GID: 70001, Home: "/home/alice", Shell: "/bin/sh"},
		group:   identity.GroupEntry{Group: identity.Group{Name: "crew", GID: 70100}, Members: []identity.Name{"alice"}},
		gids:    []uint32{70001, 70100},
		keys:    []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}, {Tag: "b", Line: "ssh-ed25519 BBBB"}},
		lines:   map[string][]string{"GOOD": {"cert-authority ssh-ed25519 CCCC"}},
	}
}

// open runs a server and returns a connection to it.
func open(t *testing.T, s *nss.Server) (*wire.Conn, context.Context) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := wire.Listen(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	s.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	cctx, ccancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(ccancel)
	c, err := wire.Dial(cctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, cctx
}

// questions is one of each kind, with the types that answer it.
func questions() map[string]struct {
	ask  *wire.Message
	want []wire.Type
} {
	type q = struct {
		ask  *wire.Message
		want []wire.Type
	}
	return map[string]q{
		"an account by name":     {wire.New(wire.GetAccountByName).AddString(wire.Name, "alice"), []wire.Type{wire.Account}},
		"an account by uid":      {wire.New(wire.GetAccountByUID).AddNumbers(wire.UID, 70001), []wire.Type{wire.Account}},
		"a group by name":        {wire.New(wire.GetGroupByName).AddString(wire.Name, "crew"), []wire.Type{wire.Group}},
		"a group by gid":         {wire.New(wire.GetGroupByGID).AddNumbers(wire.GID, 70100), []wire.Type{wire.Group}},
		"the groups of somebody": {wire.New(wire.GetGroupsOf).AddString(wire.Name, "alice"), []wire.Type{wire.Groups}},
		"all accounts":           {wire.New(wire.ListAccounts), []wire.Type{wire.Account, wire.End}},
		"all groups":             {wire.New(wire.ListGroups), []wire.Type{wire.Group, wire.End}},
		"keys":                   {wire.New(wire.GetSSHKeys).AddString(wire.Name, "alice"), []wire.Type{wire.SSHKey, wire.SSHKey, wire.End}},
		"a certificate":          {wire.New(wire.GetSSHKeys).AddString(wire.Name, "alice").AddString(wire.Certificate, "GOOD"), []wire.Type{wire.SSHKey, wire.End}},
		"one that is refused":    {wire.New(wire.GetSSHKeys).AddString(wire.Name, "alice").AddString(wire.Certificate, "BAD"), []wire.Type{wire.End}},
	}
}

// exchange asks and compares the types of what comes, Working first.
func exchange(t *testing.T, ctx context.Context, c *wire.Conn, ask *wire.Message, want ...wire.Type) {
	t.Helper()
	if err := c.Send(ctx, ask); err != nil {
		t.Fatal(err)
	}
	for _, w := range append([]wire.Type{wire.Working}, want...) {
		m, err := c.Receive(ctx)
		if err != nil || m.Type != w {
			t.Fatalf("asked %#02x: came %+v, %v, want type %#02x", uint8(ask.Type), m, err, uint8(w))
		}
	}
}

func TestEveryQuestionIsAnsweredOnOneConnection(t *testing.T) {
	c, ctx := open(t, &nss.Server{Directory: good(), Keys: good()})
	for range 3 {
		for _, q := range questions() {
			exchange(t, ctx, c, q.ask, q.want...)
		}
	}
}

func TestOnlyNotFoundIsNotFound(t *testing.T) {
	for name, w := range map[string]struct {
		with answers
		want wire.Type
	}{
		"not found":             {answers{err: fmt.Errorf("asked: %w", identity.ErrNotFound)}, wire.NotFound},
		"a name that cannot be": {answers{err: identity.ErrName}, wire.NotFound},
		"unavailable":           {answers{err: identity.ErrUnavailable}, wire.Unavailable},
		"any other error":       {answers{err: errors.New("disk on fire")}, wire.Unavailable},
		"a panic":               {answers{panics: true}, wire.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c, ctx := open(t, &nss.Server{Directory: &w.with, Keys: &w.with})
			for _, q := range questions() {
				exchange(t, ctx, c, q.ask, w.want)
			}
		})
	}
}

// Promise 12.
func TestADirectoryThatTakesTooLongIsUnavailable(t *testing.T) {
	c, ctx := open(t, &nss.Server{Directory: &answers{wait: true}, Keys: &answers{wait: true}, Deadline: 10 * time.Millisecond})
	exchange(t, ctx, c, wire.New(wire.GetAccountByName).AddString(wire.Name, "alice"), wire.Unavailable)
}

func TestARecordThatBreaksARuleIsUnavailable(t *testing.T) {
	account := func(change func(*identity.Account)) *answers {
		a := good()
		change(&a.account)
		return a
	}
	askAccount := wire.New(wire.GetAccountByName).AddString(wire.Name, "alice")
	askGroup := wire.New(wire.GetGroupByName).AddString(wire.Name, "crew")
	for name, w := range map[string]struct {
		with *answers
		ask  *wire.Message
	}{
		"uid 0":                  {account(func(a *identity.Account) { a.UID = 0 }), askAccount},
		"gid 0":                  {account(func(a *identity.Account) { a.GID = 0 }), askAccount},
		"uid 999":                {account(func(a *identity.Account) { a.UID = 999 }), askAccount},
		"uid 61200":              {account(func(a *identity.Account) { a.UID = 61200 }), askAccount},
		"uid -1":                 {account(func(a *identity.Account) { a.UID = 4294967295 }), askAccount},
		"a name with a colon":    {account(func(a *identity.Account) { a.Name = "a:b" }), askAccount},
		"no name":                {account(func(a *identity.Account) { a.Name = "" }), askAccount},
		"a line break in a home": {account(func(a *identity.Account) { a.Home = "/\n" }), askAccount},
		"a group's gid 27":       {&answers{group: identity.GroupEntry{Group: identity.Group{Name: "sudo", GID: 27}}}, askGroup},
		"a member of no name": {&answers{group: identity.GroupEntry{
			Group: identity.Group{Name: "crew", GID: 70100}, Members: []identity.Name{"a,b"},
		}}, askGroup},
		"a gid 0 among others": {&answers{gids: []uint32{70001, 0}}, wire.New(wire.GetGroupsOf).AddString(wire.Name, "alice")},
		"too many gids":        {&answers{gids: make([]uint32, 5000)}, wire.New(wire.GetGroupsOf).AddString(wire.Name, "alice")},
		"a key with an option that sshd does not know": {
			&answers{keys: []identity.SSHKey{{Tag: "a", Line: `commands="x" ssh-ed25519 AAAA`}}},
			wire.New(wire.GetSSHKeys).AddString(wire.Name, "alice"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, ctx := open(t, &nss.Server{Directory: w.with, Keys: w.with})
			exchange(t, ctx, c, w.ask, wire.Unavailable)
		})
	}
}

func TestTheDaemonItselfIsNotKeptWaiting(t *testing.T) {
	c, ctx := open(t, &nss.Server{Directory: &answers{wait: true}, Self: int32(os.Getpid())})
	if m, err := c.Receive(ctx); err != nil || m.Type != wire.Unavailable {
		t.Errorf("came %+v, %v", m, err)
	}
}

func TestWhatIsNoLookupEndsTheConnection(t *testing.T) {
	for name, m := range map[string]*wire.Message{
		"an answer": wire.New(wire.Account).AddString(wire.Name, "a").AddNumbers(wire.UID, 1).AddNumbers(wire.GID, 1).
			AddString(wire.FullName, "").AddString(wire.Home, "/").AddString(wire.Shell, "/"),
		"a control verb": wire.New(wire.Control).AddString(wire.Verb, "status"),
		"a login":        wire.New(wire.Answer).AddString(wire.Secret, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			c, ctx := open(t, &nss.Server{Directory: good()})
			if err := c.Send(ctx, m); err != nil {
				t.Fatal(err)
			}
			if m, err := c.Receive(ctx); !errors.Is(err, io.EOF) {
				t.Errorf("came %+v, %v", m, err)
			}
		})
	}
}
