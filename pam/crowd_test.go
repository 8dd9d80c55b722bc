package pam_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/wire"
)

// asker asks for a password in both checks and decides the rest at once.
var asker = decide(func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
	if l.Operation == identity.OpAuthenticate || l.Service == "sudo" {
		if s, err := conv.Ask(ctx, identity.AskSecret, identity.PasswordPrompt); err != nil || string(s.Reveal()) != "yes" {
			return identity.Verdict{Code: identity.Denied}
		}
	}
	return identity.Verdict{Code: identity.Granted}
})

// by begins an operation for a local user behind su.
func by(uid uint32, op identity.Operation, service string) *wire.Message {
	return wire.New(wire.Begin).AddNumbers(wire.Operation, uint32(op)).AddNumbers(wire.Flags, 0).
		AddString(wire.Service, service).AddString(wire.Name, "alice").AddNumbers(wire.Caller, uid, uid)
}

func (d *door) asked(uid uint32) *wire.Conn {
	d.t.Helper()
	c := d.knock(by(uid, identity.OpAuthenticate, "su"))
	d.hear(c, wire.Working)
	d.hear(c, wire.Prompt)
	return c
}

func (d *door) answers(c *wire.Conn) identity.Code {
	d.t.Helper()
	if err := c.Send(d.ctx, wire.New(wire.Answer).AddString(wire.Secret, "yes")); err != nil {
		d.t.Fatal(err)
	}
	return d.verdict(c)
}

// Promise prompts-by-origin.
func TestOnePersonsPromptsNeverKeepAnotherOut(t *testing.T) {
	d := open(t, &pam.Server{Authority: asker})
	mine, theirs := d.asked(2000), make([]*wire.Conn, 200)
	for i := range theirs {
		theirs[i] = d.asked(1000)
	}
	t.Run("the longest open one is ended, and told", func(t *testing.T) {
		if text := d.hear(theirs[0], wire.Tell).String(wire.Text); text != "Too many sign-ins are open for you; this one was ended." {
			t.Errorf("told %q", text)
		}
		if code := d.verdict(theirs[0]); code != identity.PromptEnded {
			t.Errorf("code %v", code)
		}
	})
	t.Run("the newest goes on", func(t *testing.T) {
		if code := d.answers(theirs[199]); code != identity.Granted {
			t.Errorf("code %v", code)
		}
	})
	t.Run("others go on", func(t *testing.T) {
		if code := d.answers(mine); code != identity.Granted {
			t.Errorf("code %v", code)
		}
	})
	t.Run("no other phase waits for prompts", func(t *testing.T) {
		for _, op := range []identity.Operation{identity.OpAccount, identity.OpOpenSession, identity.OpSetCredentials, identity.OpCloseSession} {
			c := d.knock(by(1000, op, "su"))
			d.hear(c, wire.Working)
			if code := d.verdict(c); code != identity.Granted {
				t.Errorf("%v: code %v", op, code)
			}
		}
	})
	t.Run("an account check that asks takes a prompt's place", func(t *testing.T) {
		c := d.knock(by(1000, identity.OpAccount, "sudo"))
		d.hear(c, wire.Working)
		d.hear(c, wire.Prompt)
		if code := d.answers(c); code != identity.Granted {
			t.Errorf("code %v", code)
		}
	})
}

func TestWhoFindsNoPlaceIsToldWhy(t *testing.T) {
	release := make(chan struct{})
	d := open(t, &pam.Server{Authority: decide(func(ctx context.Context, _ identity.Login, _ identity.Conversation) identity.Verdict {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return identity.Verdict{Code: identity.Granted}
	})})
	var all []*wire.Conn
	for range 64 {
		c := d.knock(by(1000, identity.OpAuthenticate, "su"))
		d.hear(c, wire.Working)
		all = append(all, c)
	}
	c := d.knock(by(1000, identity.OpAuthenticate, "su"))
	if text := d.hear(c, wire.Tell).String(wire.Text); text != "Too many sign-ins are open for you.\nClose one, or try again in a moment." {
		t.Errorf("told %q", text)
	}
	if code := d.verdict(c); code != identity.Unavailable {
		t.Errorf("code %v", code)
	}
	close(release)
	for _, c := range all {
		if code := d.verdict(c); code != identity.Granted {
			t.Errorf("code %v", code)
		}
	}
}

// Promise connections-silent.
func TestWhoSaysNothingTakesNoPlaceOfThoseWhoDo(t *testing.T) {
	d := open(t, &pam.Server{Authority: asker})
	var silent []*wire.Conn
	for range 1000 {
		silent = append(silent, d.knock())
	}
	if code := d.answers(d.asked(1000)); code != identity.Granted {
		t.Errorf("code %v", code)
	}
	ctx, cancel := context.WithTimeout(d.ctx, 20*time.Second)
	defer cancel()
	for _, c := range silent {
		if m, err := c.Receive(ctx); !errors.Is(err, io.EOF) {
			t.Fatalf("who said nothing heard %v, %v", m, err)
		}
	}
}
