package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/terminal"
)

// authResult is auth-test for programs.
type authResult struct {
	Name          string `json:"name"`
	Service       string `json:"service"`
	Authenticated bool   `json:"authenticated"`
	Account       bool   `json:"account"`
	User          string `json:"pam_user,omitempty"`
	Reason        string `json:"reason,omitempty"`
}

// authTest runs the authentication and account phases of a PAM service, as a
// host program would, and opens no session.
func authTest(a *App, in *invocation) command.Action {
	service := in.String("service", "login", "the PAM `service`")
	confdir := in.String("confdir", "", "look for the service in this `folder` instead of /etc/pam.d")
	return func(context.Context) error {
		res := authResult{Name: in.Name(0), Service: *service}
		err := a.signIn(&res, *confdir)
		if err != nil {
			res.Reason = err.Error()
		}
		if err := a.show(in, res, func(w io.Writer) { printAuth(w, res) }); err != nil {
			return err
		}
		if err != nil {
			return errSaid
		}
		return nil
	}
}

func printAuth(w io.Writer, r authResult) {
	switch {
	case r.Account:
		fmt.Fprintf(w, "%s may sign in through %q.\n", spoken(r.Name), r.Service)
	case r.Authenticated:
		fmt.Fprintf(w, "%s proved who it is, and may still not sign in through %q: %s.\n", spoken(r.Name), r.Service, r.Reason)
	default:
		fmt.Fprintf(w, "%s may not sign in through %q: %s.\n", spoken(r.Name), r.Service, r.Reason)
	}
}

func (a *App) signIn(res *authResult, confdir string) (err error) { //nolint:nonamedreturns // End's error counts too
	talk := pam.ConversationFunc(newAsker(a.Stdin, a.Stderr).respond)
	var tx *pam.Transaction
	if confdir == "" {
		tx, err = pam.Start(res.Service, res.Name, talk)
	} else {
		tx, err = pam.StartConfDir(res.Service, res.Name, talk, confdir)
	}
	if err != nil {
		return fmt.Errorf("PAM service: %w", err)
	}
	defer func() { err = errors.Join(err, tx.End()) }()
	if err := tx.Authenticate(0); err != nil {
		return fmt.Errorf("authentication: %w", err)
	}
	res.Authenticated = true
	if err := tx.AcctMgmt(0); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	res.Account = true
	res.User, err = tx.GetItem(pam.User)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	return nil
}

// asker answers PAM's questions from standard input: without echo where it
// is a terminal, line by line where it is not.
type asker struct {
	in    *os.File
	lines *bufio.Reader
	out   io.Writer
}

func newAsker(in *os.File, out io.Writer) *asker {
	return &asker{in: in, lines: bufio.NewReader(in), out: out}
}

func (t *asker) respond(style pam.Style, message string) (string, error) {
	switch style {
	case pam.PromptEchoOff:
		if !terminal.Is(t.in) {
			fmt.Fprint(t.out, message)
			return t.line()
		}
		b, err := terminal.ReadSecret(t.in, t.out, message)
		if err != nil {
			return "", fmt.Errorf("read answer: %w", err)
		}
		return string(b), nil
	case pam.PromptEchoOn:
		fmt.Fprint(t.out, message)
		return t.line()
	case pam.ErrorMsg, pam.TextInfo:
		fmt.Fprintln(t.out, message)
		return "", nil
	default:
		return "", fmt.Errorf("PAM asks in a way that a terminal cannot show (style %d)", style)
	}
}

func (t *asker) line() (string, error) {
	s, err := t.lines.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || s == "") {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return strings.TrimSuffix(s, "\n"), nil
}
