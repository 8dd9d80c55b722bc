package machine

import (
	"context"
	"fmt"
	"strings"
)

// Outcome is what a person saw of one attempt at a host program.
type Outcome struct {
	Screen string
	Code   int
}

// OK tells whether the program let the person in.
func (o Outcome) OK() bool { return o.Code == 0 }

// proof is printed by every command that a person runs once inside.
const proof = "I am $(id -un) with $(id -Gn)"

// Proof is how a screen shows that name is inside.
func Proof(name string) string { return "I am " + name + " with" }

// sshOptions keep ssh from asking about host keys and from trying what is not meant.
func sshOptions(method string) []string {
	return []string{
		"-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "NumberOfPasswordPrompts=1", "-o", "PreferredAuthentications=" + method,
	}
}

// talk runs a program on a terminal, answers its questions in turn, and waits for
// its end. Questions that never come are no error: the outcome shows it.
func (m *Machine) talk(ctx context.Context, turns []string, name string, args ...string) (Outcome, error) {
	t, err := m.Console(ctx, name, args...)
	if err != nil {
		return Outcome{}, err
	}
	for i := 0; i+1 < len(turns); i += 2 {
		if _, err := t.Expect(ctx, turns[i]); err != nil {
			break
		}
		if err := t.Send(turns[i+1]); err != nil {
			break
		}
	}
	screen, code, err := t.Wait(ctx)
	return Outcome{Screen: screen, Code: code}, err
}

// SSHPassword logs in over ssh; method is "password" or "keyboard-interactive".
func (m *Machine) SSHPassword(ctx context.Context, method, name, password string) (Outcome, error) {
	return m.SSHFrom(ctx, "127.0.0.1", method, name, password)
}

// SSHFrom is SSHPassword from another address of the loopback network.
func (m *Machine) SSHFrom(ctx context.Context, address, method, name, password string) (Outcome, error) {
	args := append(sshOptions(method), "-b", address, name+"@127.0.0.1", "echo "+proof)
	return m.talk(ctx, []string{"assword: ", password}, "/usr/bin/ssh", args...)
}

// SSHGuesses answers so many prompts of one connection with the same password.
func (m *Machine) SSHGuesses(ctx context.Context, method, name string, prompts int, password string) (Outcome, error) {
	args := append([]string{"-o", fmt.Sprintf("NumberOfPasswordPrompts=%d", prompts)}, sshOptions(method)...)
	var turns []string
	for range prompts {
		turns = append(turns, "assword: ", password)
	}
	return m.talk(ctx, turns, "/usr/bin/ssh", append(args, name+"@127.0.0.1", "true")...)
}

// SSHKey logs in over ssh with the key at path.
func (m *Machine) SSHKey(ctx context.Context, path, name string) (Outcome, error) {
	args := append(sshOptions("publickey"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", path, name+"@127.0.0.1", "echo "+proof)
	return m.talk(ctx, nil, "/usr/bin/ssh", args...)
}

// SSHKeys logs in over ssh with the first of several keys that is accepted, which are
// offered in order.
func (m *Machine) SSHKeys(ctx context.Context, name string, paths ...string) (Outcome, error) {
	args := append(sshOptions("publickey"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes")
	for _, p := range paths {
		args = append(args, "-i", p)
	}
	return m.talk(ctx, nil, "/usr/bin/ssh", append(args, name+"@127.0.0.1", "echo "+proof)...)
}

// SU becomes name from the local account from, who is not root.
func (m *Machine) SU(ctx context.Context, from, name, password string) (Outcome, error) {
	return m.talk(ctx, []string{"Password: ", password}, "/usr/sbin/runuser", "-u", from, "--", "/bin/su", "-", name, "-c", "echo "+proof)
}

// Sudo runs a command as root from name's own session, with more sudo options if
// given. The question is sudo's usual one.
func (m *Machine) Sudo(ctx context.Context, name, password string, options ...string) (Outcome, error) {
	return m.SudoAsked(ctx, "password for "+name+": ", name, password, options...)
}

// SudoAsked is Sudo with another question.
func (m *Machine) SudoAsked(ctx context.Context, question, name, password string, options ...string) (Outcome, error) {
	line := fmt.Sprintf("cd /; sudo -k; sudo %s sh -c 'echo %s'", strings.Join(options, " "), proof)
	return m.talk(ctx, []string{question, password}, "/usr/sbin/runuser", "-u", name, "--", "/bin/sh", "-c", line)
}

// Login signs in at a terminal with login(1).
func (m *Machine) Login(ctx context.Context, name, password string) (Outcome, error) {
	t, err := m.Console(ctx, "/bin/login")
	if err != nil {
		return Outcome{}, err
	}
	if err := t.Talk(ctx, "login: ", name, "assword: ", password); err != nil {
		t.Hangup()
		return Outcome{}, err
	}
	if _, err := t.Expect(ctx, "$ ", "# ", "incorrect", "failure"); err == nil {
		if !strings.Contains(t.Screen(), "ncorrect") {
			_ = t.Send(`echo "` + proof + `"; exit`)
			screen, code, err := t.Wait(ctx)
			return Outcome{Screen: screen, Code: code}, err
		}
	}
	t.Hangup()
	return Outcome{Screen: t.Screen(), Code: 1}, nil
}

// RunAs runs lines of sh as name; whoever sits at the terminal types nothing.
func (m *Machine) RunAs(ctx context.Context, name, lines string) (Outcome, error) {
	return m.TalkAs(ctx, name, nil, lines)
}

// TalkAs runs lines of sh as name at a terminal and answers the questions.
func (m *Machine) TalkAs(ctx context.Context, name string, turns []string, lines string) (Outcome, error) {
	return m.talk(ctx, turns, "/usr/sbin/runuser", "-u", name, "--", "/bin/sh", "-c", "cd /; "+lines)
}

// SUTalk is SU with the answers to more questions.
func (m *Machine) SUTalk(ctx context.Context, from, name string, turns []string) (Outcome, error) {
	return m.talk(ctx, turns, "/usr/sbin/runuser", "-u", from, "--", "/bin/su", "-", name, "-c", "echo "+proof)
}

// SSHTalk is a login by keyboard-interactive with the answers to more questions.
func (m *Machine) SSHTalk(ctx context.Context, name string, turns []string) (Outcome, error) {
	return m.talk(ctx, turns, "/usr/bin/ssh", append(sshOptions("keyboard-interactive"), name+"@127.0.0.1", "echo "+proof)...)
}

// LoginTalk is Login with the answers to more questions.
func (m *Machine) LoginTalk(ctx context.Context, name string, turns []string) (Outcome, error) {
	turns = append(append([]string{"login: ", name}, turns...), "$ ", `echo "`+proof+`"; exit`)
	return m.talk(ctx, turns, "/bin/login")
}
