package hops

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/sessions"
)

func info(blob []byte) string {
	return "password\npublickey ssh-ed25519-cert-v01@openssh.com " + base64.StdEncoding.EncodeToString(blob) + "\n"
}

// Promise session-ended.
func TestACertificateSaysWhatBecomesOfItsSession(t *testing.T) {
	s := newScene(t)
	strong := func(c *ssh.Certificate) {
		c.Extensions[identity.HopMethods], c.Extensions[identity.HopEarn] = "password,totp", ""
		c.Extensions[identity.HopSessions] = "end"
	}
	both := []identity.FactorKind{identity.Password, identity.TOTP}
	for sentence, c := range map[string]struct {
		change func(*ssh.Certificate)
		scene  func(*Judge)
		onEnd  identity.OnEnd
		proved []identity.FactorKind
	}{
		"nothing of it":            {change: func(*ssh.Certificate) {}, onEnd: identity.TellSessions},
		"all":                      {change: strong, onEnd: identity.EndSessions, proved: both},
		"a word that is not known": {change: func(c *ssh.Certificate) { c.Extensions[identity.HopSessions] = "burn" }, onEnd: identity.TellSessions},
		"factors that earn nothing": {change: func(c *ssh.Certificate) {
			strong(c)
			delete(c.Extensions, identity.HopEarn)
		}, onEnd: identity.EndSessions},
		"a bastion's earns nothing": {change: func(c *ssh.Certificate) {
			strong(c)
			c.Extensions[identity.HopNext] = "web 22"
		}, onEnd: identity.EndSessions},
		"no factors":    {change: func(c *ssh.Certificate) { c.Extensions[identity.HopEarn] = "" }, onEnd: identity.TellSessions},
		"ended since":   {change: strong, scene: func(j *Judge) { j.Ended = func(uuid.UUID) bool { return true } }, onEnd: identity.EndSessions},
		"over by now":   {change: strong, scene: func(j *Judge) { j.Now = func() time.Time { return s.now.Add(time.Hour) } }, onEnd: identity.EndSessions},
		"good tomorrow": {change: strong, scene: func(j *Judge) { j.Now = func() time.Time { return s.now.Add(-time.Hour) } }, onEnd: identity.EndSessions},
	} {
		j := s.judge()
		if c.scene != nil {
			c.scene(j)
		}
		got, err := j.Shown(s.account, info(s.certificate(c.change)))
		if err != nil || got.Request != s.request || got.OnEnd != c.onEnd || !slices.Equal(got.Proved, c.proved) {
			t.Errorf("%s: %+v, %v", sentence, got, err)
		}
	}
	good := s.certificate(strong)
	for sentence, text := range map[string]string{
		"nothing": "", "a password": "password\n", "a key": "publickey ssh-ed25519 AAAA\n", "no base64": "publickey ssh-ed25519-cert-v01@openssh.com !\n",
		"another method": "gssapi ssh-ed25519-cert-v01@openssh.com " + base64.StdEncoding.EncodeToString(good),
		"another's":      info(s.certificate(func(c *ssh.Certificate) { c.SignatureKey = s.key.PublicKey() })),
	} {
		if got, err := s.judge().Shown(s.account, text); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %+v, %v", sentence, got, err)
		}
	}
	changed := slices.Clone(good)
	changed[len(changed)-1] ^= 1
	var no *RefusedError
	if got, err := s.judge().Shown(s.account, info(changed)); !errors.As(err, &no) {
		t.Errorf("changed: %+v, %v", got, err)
	}
	if got, err := s.judge().Shown(uuid.New(), info(good)); !errors.As(err, &no) {
		t.Errorf("another account's: %+v, %v", got, err)
	}
}

// desk is a book with two sessions.
func newDesk(t *testing.T, dir string) *Book {
	t.Helper()
	b := NewBook()
	b.File, b.List, b.Log = filepath.Join(dir, "sessions"), filepath.Join(dir, "ended"), slog.New(slog.DiscardHandler)
	b.Ended, b.Boottime = func(uuid.UUID) bool { return false }, func() time.Duration { return time.Hour }
	b.Gone = func(uint32) bool { return false }
	return b
}

// Promise session-ended, session-told.
func TestABookListsSessionsWhoseGrantWasEnded(t *testing.T) {
	dir, gone := t.TempDir(), uuid.New()
	b := newDesk(t, dir)
	of := func(pid uint32, request uuid.UUID, onEnd identity.OnEnd) Session {
		return Session{PID: pid, Started: uint64(pid) * 10, UID: 1000 + pid, Request: request, OnEnd: onEnd}
	}
	for _, s := range []Session{
		of(1, gone, identity.EndSessions), of(2, gone, identity.TellSessions), of(3, gone, identity.KeepSessions), of(4, uuid.New(), identity.EndSessions),
		of(5, gone, identity.EndSessions),
	} {
		b.Begin(s)
	}
	b.Close(identity.Process{PID: 5, Started: 50})
	b.Close(identity.Process{PID: 1, Started: 11}) // another process of its number
	if changed, waits := b.look(); changed || waits {
		t.Errorf("before anything was ended: %v, %v", changed, waits)
	}
	b.Ended = func(r uuid.UUID) bool { return r == gone }
	if changed, waits := b.look(); !changed || !waits {
		t.Errorf("%v, %v", changed, waits)
	}
	b.hand()
	want := []sessions.Order{{PID: 1, Started: 10, UID: 1001, End: true}, {PID: 2, Started: 20, UID: 1002}}
	if got, err := sessions.Read(b.List); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	// After a restart the same are known, but for one of before the boot; and that they were
	// ended stays, also when nobody says so any more.
	b = newDesk(t, dir)
	b.Boottime = func() time.Duration { return 0 }
	b.recall()
	if n := len(b.open); n != 4 {
		t.Errorf("%d are known", n)
	}
	if changed, waits := b.look(); changed || !waits {
		t.Errorf("after a restart: %v, %v", changed, waits)
	}
	b = newDesk(t, dir)
	b.open = []Session{{PID: 9, Started: 1 << 40}}
	b.keep()
	b.open = nil
	b.recall()
	if len(b.open) != 0 {
		t.Errorf("a session that begins tomorrow: %v", b.open)
	}
}

// Promise session-ended.
func TestAnEndedGrantIsSeenWithinASecond(t *testing.T) {
	b := newDesk(t, t.TempDir())
	b.Ended = func(uuid.UUID) bool { return true }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	b.Begin(Session{PID: 1, Started: 10, UID: 1001, OnEnd: identity.EndSessions})
	for {
		if got, _ := sessions.Read(b.List); len(got) == 1 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("it is on no list")
		}
	}
	cancel()
	<-done
}

// Promise session-ended.
func TestASessionThatDoesNotEndIsAFinding(t *testing.T) {
	b := newDesk(t, t.TempDir())
	now, dead := time.Hour, false
	b.Boottime, b.Gone = func() time.Duration { return now }, func(pid uint32) bool { return dead && pid == 1 }
	b.Ended = func(uuid.UUID) bool { return true }
	b.Begin(Session{PID: 1, Started: 10, UID: 1001, OnEnd: identity.EndSessions})
	b.Begin(Session{PID: 2, Started: 10, UID: 1001, OnEnd: identity.TellSessions})
	b.look()
	if f := b.Findings(); len(f) != 0 {
		t.Errorf("at once: %v", f)
	}
	now += endsWithin
	b.look()
	if f := b.Findings(); len(f) != 1 || !strings.HasPrefix(f[0].Detail, "1 ssh sessions") || f[0].Mend == "" {
		t.Errorf("half a minute later: %v", f)
	}
	dead = true // killed, so that sshd closed no session
	if changed, waits := b.look(); changed || waits || len(b.open) != 1 || len(b.Findings()) != 0 {
		t.Errorf("once it is gone: %v, %v, %v, %v", changed, waits, b.open, b.Findings())
	}
	again := newDesk(t, filepath.Dir(b.File))
	if again.recall(); len(again.open) != 1 {
		t.Errorf("after a restart: %v", again.open)
	}
}

func TestTheKernelSaysWhoIsGone(t *testing.T) {
	c := exec.CommandContext(t.Context(), "true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if gone(1) || gone(uint32(os.Getpid())) || !gone(uint32(c.Process.Pid)) || !gone(1<<31) {
		t.Error("the wrong ones")
	}
}
