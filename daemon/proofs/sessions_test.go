package proofs

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestWhatAProcessWasLetInWithIsItsFamilysAlone(t *testing.T) {
	alice, bob := uuid.New(), uuid.New()
	factors := []identity.Factor{{Kind: identity.Password, Epoch: 1}}
	var l Sessions
	l.Add(alice, Login{Service: "sshd", Process: at(70, 50), Factors: factors})
	l.Add(bob, Login{Service: "sshd", Process: at(80, 0), Factors: factors}) // its parent could not be told
	for sentence, c := range map[string]struct {
		account uuid.UUID
		service string
		p       identity.Process
		want    bool
	}{
		"itself":                            {alice, "sshd", at(70, 50), true},
		"its parent":                        {alice, "sshd", at(50, 1), true},
		"its child":                         {alice, "sshd", at(90, 70), true},
		"its brother":                       {alice, "sshd", at(71, 50), false},
		"its grandchild":                    {alice, "sshd", at(91, 90), false},
		"another that has its number":       {alice, "sshd", identity.Process{PID: 70, Started: 1, Parent: 50, ParentStarted: 1}, false},
		"another service":                   {alice, "login", at(70, 50), false},
		"another account":                   {bob, "sshd", at(70, 50), false},
		"who cannot be told is no parent":   {bob, "sshd", identity.Process{}, false},
		"nor is one without a start":        {bob, "sshd", identity.Process{PID: 80}, false},
		"one whose parent is as unknown":    {bob, "sshd", at(81, 0), false},
		"an account that never came by":     {uuid.New(), "sshd", at(70, 50), false},
		"itself, where the parent is gone":  {bob, "sshd", at(80, 0), true},
		"itself, and now of another parent": {alice, "sshd", at(70, 1), true},
	} {
		if got := l.Of(c.account, c.service, c.p); (len(got) > 0) != c.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

func TestANewPasswordRenewsOnlyWhatItReplaced(t *testing.T) {
	alice := uuid.New()
	for sentence, c := range map[string]struct {
		p          identity.Process
		held, want uint64
	}{
		"the process that was let in": {at(70, 50), 1, 2},
		"another":                     {at(71, 50), 1, 1},
		"its child":                   {at(90, 70), 1, 1},
		"one that cannot be told":     {identity.Process{}, 1, 1},
		"by another password":         {at(70, 50), 7, 7},
	} {
		var l Sessions
		code := identity.Factor{Kind: identity.TOTP, Epoch: 1}
		l.Add(alice, Login{Service: "sshd", Process: at(70, 50), Factors: []identity.Factor{{Kind: identity.Password, Epoch: c.held}, code}})
		l.Renew(alice, c.p, 1, 2)
		got := l.Of(alice, "sshd", at(70, 50))
		if len(got) != 2 || got[0].Epoch != c.want || got[1].Epoch != 1 {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

func TestOldLoginsMakeRoom(t *testing.T) {
	alice := uuid.New()
	var l Sessions
	for i := range uint32(maxLogins + 1) {
		l.Add(alice, Login{Service: "sshd", Process: at(1000+i, 1), Factors: []identity.Factor{{Kind: identity.Password, Epoch: 1}}})
	}
	if n := len(l.kept[alice]); n != maxLogins {
		t.Errorf("%d are kept", n)
	}
	l.Add(alice, Login{Service: "sshd", Process: at(7, 1), At: sessionWait + time.Second})
	if n := len(l.kept[alice]); n != 1 {
		t.Errorf("%d are kept beyond their time", n)
	}
}

func at(pid, parent uint32) identity.Process {
	return identity.Process{PID: pid, Started: uint64(pid) * 10, Parent: parent, ParentStarted: uint64(parent) * 10}
}
