package history

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/backup"
	"github.com/sallyport-auth/sallyport/server/realm"
	"golang.org/x/crypto/ssh"
)

const realmName = "example.org"

// newKey is a public key in the form of authorized_keys.
func newKey(t testing.TB) string {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	k, err := ssh.NewPublicKey(pub)
	must(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// deadline bounds every wait.
const deadline = 20 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quiet() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// site is a server with its folder.
type site struct {
	t      testing.TB
	dir    string
	mark   string
	listen string
	admin  sallyportv1connect.AdminServiceClient
	end    func()
	copies int
	boxes  int
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "realm"), listen: "127.0.0.1:0"}
	s.init()
	s.start()
	return s
}

func (s *site) init() {
	s.t.Helper()
	must(s.t, realm.Init(s.t.Context(), realm.InitOptions{Dir: s.dir, Realm: realmName, Listen: "127.0.0.1:0", OfflineDays: 14}))
}

func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, server.ServeOptions{
			Dir: s.dir, Listen: s.listen, Mark: s.mark, Log: quiet(), Ready: func(a net.Addr, _ string) { ready <- a.String() },
		})
	}()
	select {
	case s.listen = <-ready:
	case err := <-ended:
		s.t.Fatal(err)
	}
	admin, closer, err := server.Admin(ctx, s.dir, quiet())
	must(s.t, err)
	s.admin = admin
	s.end = sync.OnceFunc(func() {
		_ = closer.Close()
		cancel()
		if err := <-ended; err != nil {
			s.t.Error("serve:", err)
		}
	})
	s.t.Cleanup(func() { s.end() })
}

func (s *site) restart() { s.t.Helper(); s.end(); s.start() }

// copy is the folder as somebody copies it while the server is stopped.
func (s *site) copy() string {
	s.t.Helper()
	s.end()
	s.copies++
	to := fmt.Sprintf("%s.copy%d", s.dir, s.copies)
	copyFolder(s.t, s.dir, to)
	s.start()
	return to
}

func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
}

// putBack replaces the folder by a copy behind the server's back.
func (s *site) putBack(from string) {
	s.t.Helper()
	s.end()
	must(s.t, os.RemoveAll(s.dir))
	copyFolder(s.t, from, s.dir)
	s.start()
}

func (s *site) backup() string {
	s.t.Helper()
	s.copies++
	to := fmt.Sprintf("%s.backup%d", s.dir, s.copies)
	must(s.t, backup.Make(s.t.Context(), s.dir, to, time.Now()))
	return to
}

// restore is after the loss of the folder.
func (s *site) restore(file string) {
	s.t.Helper()
	s.end()
	must(s.t, os.RemoveAll(s.dir))
	_, err := backup.Restore(s.t.Context(), backup.RestoreOptions{File: file, Dir: s.dir, Now: time.Now()})
	must(s.t, err)
	s.start()
}

func (s *site) add(name string) *v1.AccountView {
	s.t.Helper()
	a, err := s.admin.AddAccount(s.t.Context(), &v1.AddAccountRequest{Name: name})
	must(s.t, err)
	return a
}

func (s *site) password(name, password string) {
	s.t.Helper()
	_, err := s.admin.SetPassword(s.t.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(password)})
	must(s.t, err)
}

func (s *site) disable(name string, disabled bool) {
	s.t.Helper()
	_, err := s.admin.SetAccountState(s.t.Context(), &v1.SetAccountStateRequest{Name: name, Disabled: disabled})
	must(s.t, err)
}

func (s *site) key(name string) {
	s.t.Helper()
	_, err := s.admin.AddSSHKey(s.t.Context(), &v1.AddSSHKeyRequest{Name: name, Line: newKey(s.t), Tag: "laptop"})
	must(s.t, err)
}

// key2 adds another key.
func (s *site) key2(name string) {
	s.t.Helper()
	_, err := s.admin.AddSSHKey(s.t.Context(), &v1.AddSSHKeyRequest{Name: name, Line: newKey(s.t), Tag: "another"})
	must(s.t, err)
}

func (s *site) group(name string) {
	s.t.Helper()
	_, err := s.admin.AddGroup(s.t.Context(), &v1.AddGroupRequest{Name: name})
	must(s.t, err)
}

func (s *site) join(group, member string) {
	s.t.Helper()
	_, err := s.admin.AddMember(s.t.Context(), &v1.MemberRequest{Group: group, Member: member})
	must(s.t, err)
}

func (s *site) histories() *v1.ListHistoriesResponse {
	s.t.Helper()
	list, err := s.admin.ListHistories(s.t.Context(), &v1.ListRequest{})
	must(s.t, err)
	return list
}

// box is a joined machine.
type box struct {
	t       testing.TB
	s       *site
	name    string
	options sallyport.Options
	dir     string
	root    string
	d       *daemon.Daemon
	end     func()
}

func (s *site) box() *box {
	s.t.Helper()
	s.boxes++
	b := &box{t: s.t, s: s, name: "box", dir: filepath.Join(s.t.TempDir(), "state"), root: s.t.TempDir()}
	if s.boxes > 1 {
		b.name += fmt.Sprint(s.boxes)
	}
	must(s.t, os.MkdirAll(filepath.Join(b.root, "etc"), 0o755))
	must(s.t, os.WriteFile(filepath.Join(b.root, "etc", "passwd"), []byte("root:x:0:0::/root:/bin/sh\n"), 0o644))
	must(s.t, os.WriteFile(filepath.Join(b.root, "etc", "group"), []byte("root:x:0:\n"), 0o644))
	b.join()
	b.start()
	s.t.Cleanup(func() { b.end() })
	return b
}

func (b *box) join() {
	b.t.Helper()
	m, err := b.s.admin.AddMachine(b.t.Context(), &v1.NameRequest{Name: b.name})
	must(b.t, err)
	j, err := sallyport.Join(b.t.Context(), sallyport.Server{URL: "https://" + b.s.listen}, m.GetCode(), m.GetFingerprint())
	must(b.t, err)
	b.options = sallyport.Options{URL: "https://" + b.s.listen, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm}
}

func (b *box) start() {
	b.t.Helper()
	c, err := cache.Open(context.Background(), filepath.Join(b.dir, "cache.db"), cache.Options{Log: quiet()})
	must(b.t, err)
	o := b.options
	o.Memory = c
	p, err := sallyport.New(o)
	must(b.t, err)
	keyFile := filepath.Join(b.dir, "seal.key")
	sealer, err := seal.OpenFile(keyFile)
	if errors.Is(err, os.ErrNotExist) {
		sealer, err = seal.CreateFile(keyFile)
	}
	must(b.t, err)
	b.d, err = daemon.New(daemon.Options{
		Provider: p, Cache: c, Sealer: sealer, Machine: o.MachineID, Realm: realmName, Version: "test", Log: quiet(), LocalFiles: b.root,
		Policy: policy.Policy{
			AllowAll: true, IDs: []identity.IDRange{identity.DefaultIDRange}, Argon: policy.Argon{Memory: 64, Time: 1, Threads: 1},
			OfflineMax: 400 * 24 * time.Hour, ServerTimeout: deadline, LookupTimeout: deadline,
			BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond, FailDelay: time.Nanosecond,
		},
	})
	must(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.d.Run(ctx) })
	b.end = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = p.Close()
		must(b.t, c.Close())
	})
}

func (b *box) stop() { b.t.Helper(); b.end() }

func (b *box) wait(what string, is func() bool) {
	b.t.Helper()
	for end := time.Now().Add(deadline); !is(); {
		if time.Now().After(end) {
			b.t.Fatalf("%s: not within %s; status %+v", what, deadline, b.status())
		}
		time.Sleep(time.Millisecond) // between looks, not for the condition
	}
}

// waitSecond waits until the clock shows another second.
func (s *site) waitSecond() {
	s.t.Helper()
	for was := time.Now().Unix(); time.Now().Unix() == was; {
		time.Sleep(time.Millisecond) // between looks, not for the condition
	}
}

func (b *box) ask(verb string, args any, into any) error {
	b.t.Helper()
	raw, err := json.Marshal(args)
	must(b.t, err)
	return b.d.Handle(context.Background(), identity.Peer{UID: 0}, verb, raw, func(v any) error {
		out, err := json.Marshal(v)
		must(b.t, err)
		return json.Unmarshal(out, into)
	})
}

func (b *box) status() report.Status {
	b.t.Helper()
	var s report.Status
	must(b.t, b.ask(report.VerbStatus, struct{}{}, &s))
	return s
}

// caughtUp waits until the machine says that it is online, in the server's history.
func (b *box) caughtUp() {
	b.t.Helper()
	b.wait("online in the server's history", func() bool {
		now := b.s.histories().GetHistories()[0].GetId() // each time: what a machine shows may begin another
		p := b.status().Providers[0]
		return p.State == "online" && p.History == now && p.Complete
	})
}

func (b *box) offline() {
	b.t.Helper()
	b.wait("offline", func() bool { return b.status().Providers[0].State == "offline" })
}

// may tells whether the account phase lets the person in.
func (b *box) may(name string) bool {
	b.t.Helper()
	v := b.d.Decide(context.Background(), identity.Login{Operation: identity.OpAccount, Service: "test", User: name}, &typist{})
	return v.Code == identity.Granted
}

// login tells whether the password lets the person in.
func (b *box) login(name, password string) bool {
	b.t.Helper()
	v := b.d.Decide(context.Background(), identity.Login{
		Operation: identity.OpAuthenticate, Service: "test", User: name, TTY: "tty1", Caller: identity.Caller{Known: true, LoginUID: identity.NoLoginUID},
	}, &typist{answer: password})
	return v.Code == identity.Granted
}

func (b *box) keys(name string) int {
	b.t.Helper()
	list, err := b.d.KeysFor(context.Background(), identity.Peer{}, name)
	if err != nil && !errors.Is(err, identity.ErrNotFound) && !errors.Is(err, identity.ErrUnavailable) {
		b.t.Fatal(err)
	}
	return len(list)
}

// groups are the names of the account's groups, its own left out.
func (b *box) groups(name string) []string {
	b.t.Helper()
	ids, err := b.d.GroupsOf(context.Background(), name)
	if errors.Is(err, identity.ErrNotFound) || errors.Is(err, identity.ErrUnavailable) {
		return nil
	}
	must(b.t, err)
	var list []string
	for _, gid := range ids.GIDs {
		g, err := b.d.GroupByGID(context.Background(), gid)
		if err == nil && string(g.Name) != name {
			list = append(list, string(g.Name))
		}
	}
	slices.Sort(list)
	return list
}

func (b *box) resolves(name string) bool {
	b.t.Helper()
	_, err := b.d.AccountByName(context.Background(), name)
	return err == nil
}

// typist gives one answer to whatever is asked.
type typist struct{ answer string }

func (c *typist) Ask(context.Context, identity.Style, string) (identity.Secret, error) {
	if c.answer == "" {
		return identity.Secret{}, errors.New("the person went away")
	}
	return identity.NewSecret([]byte(c.answer)), nil
}

func (c *typist) Tell(context.Context, identity.Style, string) error { return nil }
