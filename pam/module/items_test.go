package module_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam/module"
)

// seen keeps what the authority was asked.
type seen struct {
	mu     sync.Mutex
	logins []identity.Login
	first  []string
	old    []string
}

func (s *seen) note(l identity.Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, l)
	s.first = append(s.first, string(l.FirstPass.Reveal()))
	s.old = append(s.old, string(l.OldPass.Reveal()))
}

func (s *seen) last(t *testing.T) (l identity.Login, first string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logins) == 0 {
		t.Fatal("the authority was not asked")
	}
	n := len(s.logins) - 1
	return s.logins[n], s.first[n]
}

func (s *seen) then(v identity.Verdict) decide {
	return func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
		s.note(l)
		v := v
		v.Password = identity.NewSecret([]byte(string(v.Password.Reveal()))) // the server wipes it
		return v
	}
}

// Promise 3.
func TestTheAuthorityLearnsWhatTheHostSaid(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		s := &seen{}
		r.serve(s.then(identity.Verdict{Code: identity.Granted}))
		name := "Alice@Example.Org"
		want(t, r.run(nil, name, "tty=pts/7", "rhost=192.0.2.1", "auth-silent", "user"), "auth-silent=0", "user "+name)
		l, first := s.last(t)
		if l.User != name || l.Service != "test" || l.TTY != "pts/7" || l.RemoteHost != "192.0.2.1" || !l.Silent ||
			l.Operation != identity.OpAuthenticate || l.Peer.UID != uint32(os.Getuid()) || l.OnlyFirstPass || first != "" || !l.Session.Known() || !l.Process.Known() || !l.Caller.Known || l.Caller.RealUID != uint32(os.Getuid()) || l.Process.Parent == 0 || l.Process.ParentStarted == 0 {
			t.Errorf("it learnt %+v", l)
		}
		steps := []string{"acct", "setcred", "open", "close", "delcred"}
		r.run(nil, "alice", steps...)
		ops := []identity.Operation{
			identity.OpAccount, identity.OpSetCredentials, identity.OpOpenSession, identity.OpCloseSession, identity.OpSetCredentials,
		}
		for i, l := range s.logins[1:] {
			if l.Operation != ops[i] {
				t.Errorf("%s: operation %d, want %d", steps[i], l.Operation, ops[i])
			}
		}
	})
}

// Promise session-ended.
func TestWhatSshdAuthenticatedByIsSaidWhenASessionOpens(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		s := &seen{}
		r.serve(s.then(identity.Verdict{Code: identity.Granted}))
		const line = "publickey ssh-ed25519-cert-v01@openssh.com AAAA"
		const most = 32768
		for _, c := range []struct{ step, info, want string }{
			{"open", line, line},
			{"open", line + strings.Repeat("A", most-len(line)), line + strings.Repeat("A", most-len(line))},
			{"open", line + strings.Repeat("A", most-len(line)+1), ""},
			{"open", "publickey ssh-ed25519 AAAA", ""},
			{"open", "password", ""},
			{"open", "", ""},
			{"acct", line, ""},
			{"auth", line, ""},
			{"setcred", line, ""},
			{"close", line, ""},
		} {
			r.run(nil, "alice", "putenv=SSH_AUTH_INFO_0="+c.info, c.step)
			if l, _ := s.last(t); l.AuthInfo != c.want {
				t.Errorf("%s with %.60q: %.60q", c.step, c.info, l.AuthInfo)
			}
		}
		r.run(nil, "alice", "open")
		if l, _ := s.last(t); l.AuthInfo != "" {
			t.Errorf("nothing was said: %q", l.AuthInfo)
		}
	})
}

func TestAnEarlierPasswordIsUsedOnlyWhenAskedFor(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		s := &seen{}
		r.serve(s.then(identity.Verdict{Code: identity.Denied}))
		for arg, want := range map[string]struct {
			first string
			only  bool
		}{
			"":               {"", false},
			"try_first_pass": {"hunter2", false},
			"use_first_pass": {"hunter2", true},
			"use_authtok":    {"hunter2", true},
		} {
			var b strings.Builder
			fmt.Fprintf(&b, "auth optional %s set=hunter2\n", the.reveal)
			r.line(&b, "auth", "required", arg)
			r.service(b.String())
			r.run(nil, "alice", "auth")
			if l, first := s.last(t); first != want.first || l.OnlyFirstPass != want.only {
				t.Errorf("%q: first pass %q, only %v", arg, first, l.OnlyFirstPass)
			}
		}
	})
}

func TestThePasswordIsHandedOnWithAYesAlone(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var b strings.Builder
		r.line(&b, "auth", "optional")
		fmt.Fprintf(&b, "auth optional %s\n", the.reveal)
		fmt.Fprintf(&b, "auth required pam_permit.so\n")
		r.service(b.String())
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			v := identity.Verdict{Code: identity.Granted, Password: identity.NewSecret([]byte("hunter2"))}
			if l.User != "alice" {
				v.Code = identity.Denied
			}
			return v
		}))
		want(t, r.run(nil, "alice", "auth"), "info: authtok=hunter2 oldauthtok=-", "auth=0")
		want(t, r.run(nil, "bob", "auth"), "info: authtok=- oldauthtok=-", "auth=0")
	})
}

func TestAPasswordChangeHasTwoRounds(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var b strings.Builder
		r.line(&b, "password", "required")
		fmt.Fprintf(&b, "password optional %s\n", the.reveal)
		r.service(b.String())
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			if l.Prelim {
				return identity.Verdict{Code: identity.Granted, Password: identity.NewSecret([]byte("old one"))}
			}
			if string(l.OldPass.Reveal()) != "old one" {
				return identity.Verdict{Code: identity.PasswordMismatch}
			}
			return identity.Verdict{Code: identity.Granted, Password: identity.NewSecret([]byte("new one"))}
		}))
		want(t, r.run(nil, "alice", "chauthtok"), "info: authtok=- oldauthtok=old one",
			"info: authtok=new one oldauthtok=old one", "chauthtok=0")
	})
}

func TestEnvironmentAndGroupsComeWithCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test sets groups and must run as root")
	}
	both(t, func(t *testing.T, r *rig) {
		r.serve(always(identity.Verdict{
			Code: identity.Granted, Environment: []string{"KRB5CCNAME=FILE:/tmp/x", "EMPTY="}, Groups: []uint32{70100, 70101, 70100},
		}))
		base := strings.Split(strings.TrimSuffix(r.run(nil, "alice", "groups"), "\n"), "\n")
		if base[0] == "" {
			base = nil
		}
		env := []string{"env KRB5CCNAME=FILE:/tmp/x", "env EMPTY="}
		want(t, r.run(nil, "alice", "acct", "groups", "env"), append(append([]string{"acct=0"}, base...), env...)...)
		want(t, r.run(nil, "alice", "setcred", "groups"), append(append([]string{"setcred=0"}, base...), "group 70100", "group 70101")...)
		// Only establishing credentials gives groups: sudo -v and lockers refresh theirs.
		for _, step := range []string{"refresh", "reinitialize", "delcred"} {
			want(t, r.run(nil, "alice", step, "groups"), append([]string{step + "=0"}, base...)...)
		}
		// Nobody but root gains any, and that is no error: a screen locker.
		want(t, r.run(nil, "alice", "uid=65534", "setcred", "groups"), append([]string{"setcred=0"}, base...)...)
		// Nor is it one where the kernel adds none: a container, or too many groups.
		want(t, r.run(nil, "alice", "keep-groups", "setcred", "groups"), append([]string{"setcred=0"}, base...)...)
	})
}

// Promise 1.
func TestAYesWithABadPartIsNoYes(t *testing.T) {
	bad := map[string]identity.Verdict{
		"a variable without '='":     {Environment: []string{"PATH"}},
		"a variable without a name":  {Environment: []string{"=x"}},
		"a name with a space":        {Environment: []string{"A B=x"}},
		"a line break in a variable": {Environment: []string{"A=x\ny"}},
		"an empty variable":          {Environment: []string{""}},
		"group 0":                    {Groups: []uint32{0}},
		"group 27 among others":      {Groups: []uint32{70100, 27}},
		"group -1":                   {Groups: []uint32{4294967295}},
		"too many groups":            {Groups: make([]uint32, 4097)},
	}
	both(t, func(t *testing.T, r *rig) {
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			v := bad[l.TTY]
			v.Code = identity.Granted
			return v
		}))
		for name := range bad {
			want(t, r.run(nil, "alice", "tty="+name, "auth", "setcred", "env"), "auth=9", "setcred=9")
		}
		want(t, r.run(nil, "alice", "tty=fine", "auth"), "auth=0")
	})
}

func FuzzEnvironment(f *testing.F) {
	for _, s := range []string{"A=1", "PATH", "=x", "A B=x", "_1=", "1A=x", "A=\n", "", "A=\x7f", "Ä=1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if !module.EnvironmentOK(line) {
			return
		}
		name, value, found := strings.Cut(string(line), "=")
		bad := func(r rune) bool { return r < 0x20 || r == 0x7f }
		if !found || name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r > 'z' || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789", r)
		}) || strings.ContainsFunc(value, bad) {
			t.Errorf("%q is thought fit", line)
		}
	})
}
