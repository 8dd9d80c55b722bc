package pam_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/wire"
)

type decide func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict

func (d decide) Decide(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
	return d(ctx, l, conv)
}

// door is a running server.
type door struct {
	t    *testing.T
	path string
	ctx  context.Context
}

func open(t *testing.T, s *pam.Server) *door {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "pam.sock")
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
	return &door{t, path, cctx}
}

func begin(user string) *wire.Message {
	return wire.New(wire.Begin).AddNumbers(wire.Operation, uint32(identity.OpAuthenticate)).AddNumbers(wire.Flags, 0).
		AddString(wire.Service, "test").AddString(wire.Name, user)
}

// knock connects and sends the messages.
func (d *door) knock(messages ...*wire.Message) *wire.Conn {
	d.t.Helper()
	c, err := wire.Dial(d.ctx, d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	for _, m := range messages {
		if err := c.Send(d.ctx, m); err != nil {
			d.t.Fatal(err)
		}
	}
	return c
}

// hear returns the next message, which must be of the type.
func (d *door) hear(c *wire.Conn, want wire.Type) *wire.Message {
	d.t.Helper()
	m, err := c.Receive(d.ctx)
	if err != nil {
		d.t.Fatalf("waiting for type %#02x: %v", uint8(want), err)
	}
	if m.Type != want {
		d.t.Fatalf("type %#02x came, want %#02x", uint8(m.Type), uint8(want))
	}
	return m
}

func (d *door) verdict(c *wire.Conn) identity.Code {
	d.t.Helper()
	return identity.Code(d.hear(c, wire.Verdict).Number(wire.Code))
}

func TestAZeroVerdictGrantsNothing(t *testing.T) {
	d := open(t, &pam.Server{Authority: decide(func(context.Context, identity.Login, identity.Conversation) identity.Verdict {
		return identity.Verdict{Password: identity.NewSecret([]byte("hunter2")), Environment: []string{"A=1"}, Groups: []uint32{70000}}
	})})
	c := d.knock(begin("alice"))
	d.hear(c, wire.Working)
	m := d.hear(c, wire.Verdict)
	if m.Number(wire.Code) != 0 || m.Has(wire.Secret) || m.Has(wire.Environment) || m.Has(wire.GIDs) {
		t.Errorf("the verdict is %+v", m)
	}
	if _, err := c.Receive(d.ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after the verdict: %v", err)
	}
}

func TestAPanicEndsItsOwnConversationOnly(t *testing.T) {
	d := open(t, &pam.Server{Authority: decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
		if l.User == "mallory" {
			panic("on purpose")
		}
		return identity.Verdict{Code: identity.Granted}
	})})
	for _, who := range []struct {
		user string
		code identity.Code
	}{{"mallory", identity.Unavailable}, {"alice", identity.Granted}} {
		c := d.knock(begin(who.user))
		d.hear(c, wire.Working)
		if code := d.verdict(c); code != who.code {
			t.Errorf("%s: code %d, want %d", who.user, code, who.code)
		}
	}
}

// Promise process-place.
func TestAMalformedPacketEndsItsConnectionOnly(t *testing.T) {
	asked := make(chan string, 100)
	d := open(t, &pam.Server{Authority: decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
		asked <- l.User
		return identity.Verdict{Code: identity.Granted}
	})})
	number := func(op, flags uint32, user string) *wire.Message {
		return wire.New(wire.Begin).AddNumbers(wire.Operation, op).AddNumbers(wire.Flags, flags).
			AddString(wire.Service, "test").AddString(wire.Name, user)
	}
	for name, m := range map[string]*wire.Message{
		"operation 0":       number(0, 0, "alice"),
		"operation 7":       number(7, 0, "alice"),
		"operation 257":     number(257, 0, "alice"),
		"an unknown flag":   number(1, 8, "alice"),
		"no name":           number(1, 0, ""),
		"half a session":    begin("alice").AddNumbers(wire.Session, 1, 2, 3, 4),
		"a long session":    begin("alice").AddNumbers(wire.Session, 1, 2, 3, 4, 5, 6),
		"an empty session":  begin("alice").AddNumbers(wire.Session),
		"half a process":    begin("alice").AddNumbers(wire.Process, 1, 2, 3),
		"half a caller":     begin("alice").AddNumbers(wire.Caller, 1),
		"a long caller":     begin("alice").AddNumbers(wire.Caller, 1, 2, 3),
		"a long process":    begin("alice").AddNumbers(wire.Process, 1, 2, 3, 4, 5, 6, 7),
		"a lookup":          wire.New(wire.GetAccountByName).AddString(wire.Name, "alice"),
		"an answer at once": wire.New(wire.Answer).AddString(wire.Secret, "x"),
		"a verdict":         wire.New(wire.Verdict).AddNumbers(wire.Code, 1),
	} {
		c := d.knock(m)
		if m, err := c.Receive(d.ctx); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the authority was asked about %q", <-asked)
	}
	c := d.knock(begin("alice"))
	d.hear(c, wire.Working)
	if d.verdict(c) != identity.Granted {
		t.Error("a good conversation suffered")
	}
}

func TestTheAuthorityLearnsWhereTheHostRuns(t *testing.T) {
	asked := make(chan identity.LoginSession, 2)
	d := open(t, &pam.Server{Authority: decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
		asked <- l.Session
		return identity.Verdict{Code: identity.Granted}
	})})
	for _, c := range []struct {
		m    *wire.Message
		want identity.LoginSession
	}{
		{begin("alice"), identity.LoginSession{}},
		{begin("alice").AddNumbers(wire.Session, 1, 2, 3, 4, 5), identity.LoginSession{Audit: 1, Terminal: 2, Leader: 3, Started: 5<<32 | 4}},
	} {
		conn := d.knock(c.m)
		d.hear(conn, wire.Working)
		if d.verdict(conn) != identity.Granted {
			t.Error("refused")
		}
		if got := <-asked; got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

func TestHangingUpEndsTheDecision(t *testing.T) {
	deciding, cancelled := make(chan struct{}), make(chan error)
	d := open(t, &pam.Server{Authority: decide(func(ctx context.Context, _ identity.Login, _ identity.Conversation) identity.Verdict {
		close(deciding)
		<-ctx.Done()
		cancelled <- ctx.Err()
		return identity.Verdict{Code: identity.Granted}
	})})
	c := d.knock(begin("alice"))
	d.hear(c, wire.Working)
	<-deciding
	_ = c.Close()
	select {
	case <-cancelled:
	case <-d.ctx.Done():
		t.Error("the decision went on")
	}
}

// An authority that grants in spite of a failed prompt is overruled.
func TestAFailedConversationIsNeverGranted(t *testing.T) {
	grantAnyway := decide(func(ctx context.Context, _ identity.Login, conv identity.Conversation) identity.Verdict {
		_, _ = conv.Ask(ctx, identity.AskSecret, identity.PasswordPrompt)
		return identity.Verdict{Code: identity.Granted, Password: identity.NewSecret([]byte("x"))}
	})
	t.Run("no answer in time", func(t *testing.T) {
		d := open(t, &pam.Server{Authority: grantAnyway, PromptTimeout: time.Millisecond})
		c := d.knock(begin("alice"))
		d.hear(c, wire.Working)
		d.hear(c, wire.Prompt)
		d.hear(c, wire.Tell)
		if code := d.verdict(c); code != identity.PromptEnded {
			t.Errorf("code %d", code)
		}
	})
	t.Run("a message that was not asked for", func(t *testing.T) {
		d := open(t, &pam.Server{Authority: grantAnyway})
		c := d.knock(begin("alice"))
		d.hear(c, wire.Working)
		d.hear(c, wire.Prompt)
		if err := c.Send(d.ctx, begin("root")); err != nil {
			t.Fatal(err)
		}
		if code := d.verdict(c); code != identity.ConversationFailed {
			t.Errorf("code %d", code)
		}
	})
	t.Run("an answer before the question", func(t *testing.T) {
		answered := make(chan struct{})
		d := open(t, &pam.Server{Authority: decide(func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
			<-answered
			<-ctx.Done() // the early answer ends it
			return identity.Verdict{Code: identity.Granted}
		})})
		c := d.knock(begin("alice"))
		d.hear(c, wire.Working)
		if err := c.Send(d.ctx, wire.New(wire.Answer).AddString(wire.Secret, "early")); err != nil {
			t.Fatal(err)
		}
		close(answered)
		if code := d.verdict(c); code != identity.ConversationFailed {
			t.Errorf("code %d", code)
		}
	})
}

func TestAThousandConversationsAtOnce(t *testing.T) {
	const n = 1000
	var all sync.WaitGroup // the authority waits until everybody is being asked
	all.Add(n)
	d := open(t, &pam.Server{Authority: decide(func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
		all.Done()
		s, err := conv.Ask(ctx, identity.AskSecret, identity.PasswordPrompt)
		if err != nil || string(s.Reveal()) != l.User {
			return identity.Verdict{Code: identity.Denied}
		}
		return identity.Verdict{Code: identity.Granted}
	})})
	conns := make([]*wire.Conn, n)
	for i := range conns {
		conns[i] = d.knock(begin(userName(i)).AddString(wire.RemoteHost, "192.0.2."+userName(i)))
	}
	all.Wait()
	for i, c := range conns {
		d.hear(c, wire.Working)
		d.hear(c, wire.Prompt)
		if err := c.Send(d.ctx, wire.New(wire.Answer).AddString(wire.Secret, userName(i-i%2))); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range conns {
		want := identity.Granted
		if i%2 == 1 {
			want = identity.Denied
		}
		if code := d.verdict(c); code != want {
			t.Fatalf("conversation %d: code %d, want %d", i, code, want)
		}
	}
}

func userName(i int) string {
	return "user" + string(rune('a'+i/100)) + string(rune('a'+i/10%10)) + string(rune('a'+i%10))
}

// FuzzConversation: whatever a host sends, only an answer "yes" to the prompt is
// granted, and the server goes on.
func FuzzConversation(f *testing.F) {
	b, _ := begin("alice").Marshal()
	yes, _ := wire.New(wire.Answer).AddString(wire.Secret, "yes").Marshal()
	no, _ := wire.New(wire.Answer).AddString(wire.Secret, "no").Marshal()
	f.Add(b, yes)
	f.Add(b, no)
	f.Add(b, b)
	f.Add(yes, no)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		v := pam.ConverseForTest(first, second, decide(func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
			s, err := conv.Ask(ctx, identity.AskSecret, identity.PasswordPrompt)
			if err == nil && string(s.Reveal()) != "yes" {
				return identity.Verdict{Code: identity.Denied}
			}
			return identity.Verdict{Code: identity.Granted}
		}))
		m, err := wire.Parse(second)
		answeredYes := err == nil && m.Type == wire.Answer && m.String(wire.Secret) == "yes"
		if v == identity.Granted && !answeredYes {
			t.Errorf("granted to %x, %x", first, second)
		}
	})
}
