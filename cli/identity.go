package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/serviceauth"
)

// The identity service of the realm, docs/identity-service.md. The password of it stays in
// this process: the daemon carries messages of OPAQUE (package pake) to the server.
//
//	register   code, new password twice; RegistrationRequest, then record and KE1, then KE3; token
//	login      password; KE1, then KE3; token
//	           or with --wallet: the signature of a message; token

// leastPassword is for passwords of the identity service, in bytes: the server cannot judge
// what it does not see.
const leastPassword = 8

var (
	errWrongPassword = errors.New("the password is wrong, or you have not registered one. Try again; with a code of an administrator's, \"sallyport identity register\" sets a new one")
	errNoToken       = errors.New("the server gave no token; try again")
)

// signedIn is what a registration or a login came to.
type signedIn struct {
	Realm   string        `json:"realm"`
	Account identity.Name `json:"account"`
	Device  string        `json:"device"`
	File    string        `json:"file"`
}

// device declares the option of that name. What it returns is the machine's host name by
// default.
func (in *invocation) device() func() (string, error) {
	typed := in.String("device", "", "`name` of this device; without it the host name")
	return func() (string, error) {
		if *typed != "" {
			return *typed, nil
		}
		host, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("the host name: %w; name the device with --device NAME", err)
		}
		return host, nil
	}
}

// place is where the token of a device is kept, of the account of the realm that runs this
// command.
func (in *invocation) place(ctx context.Context, device func() (string, error)) (k keptToken, folder string, err error) {
	w, err := control.One[report.Whoami](ctx, in.daemon(), report.VerbWhoami, report.WhoamiArgs{})
	if err == nil && w.Realm == "" {
		err = errors.New("the daemon does not say which realm this is: restart it, it is of an older release")
	}
	if err != nil {
		return k, "", err
	}
	k.Realm, k.Account = w.Realm, w.Account.Name
	if k.Device, err = device(); err != nil {
		return k, "", err
	}
	folder, err = tokensFolder()
	return k, folder, err
}

// identityTrouble adds what to do where it is not in the daemon's words.
func identityTrouble(doing string, err error) error {
	if errors.Is(err, report.ErrAway) {
		err = fmt.Errorf("%w; nothing was done: try again when \"sallyport status\" says online", err)
	}
	return fmt.Errorf("identity %s: %w", doing, err)
}

// exchanging is one registration or login under way.
type exchanging struct {
	ctx    context.Context //nolint:containedctx // of one command
	daemon control.Client
	handle string
}

func (x *exchanging) begin(b report.IdentityBegin) ([]byte, error) {
	step, err := control.One[report.IdentityStep](x.ctx, x.daemon, report.VerbIdentityBegin, b)
	x.handle = step.Handle
	return step.Message, err
}

func (x *exchanging) next(m report.IdentityMessage) (report.IdentityStep, error) {
	step, err := control.One[report.IdentityStep](x.ctx, x.daemon, report.VerbIdentityNext, report.IdentityNext{IdentityMessage: m, Handle: x.handle})
	x.handle = step.Handle
	return step, err
}

// hangUp ends an exchange that goes no further.
func (x *exchanging) hangUp() {
	if x.handle != "" {
		_, _ = x.next(report.IdentityMessage{})
	}
}

// finish proves the password with the answer to KE1, and returns the token.
func (x *exchanging) finish(c *pake.Client, ke2 []byte) ([]byte, error) {
	ke3, err := c.Finish(ke2)
	if errors.Is(err, pake.ErrWrong) {
		return nil, errWrongPassword
	}
	if err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	step, err := x.next(report.IdentityMessage{Message: ke3})
	if err != nil {
		return nil, err
	}
	if len(step.Token) == 0 {
		return nil, errNoToken
	}
	return step.Token, nil
}

func (x *exchanging) login(realm, device string, password identity.Secret) ([]byte, error) {
	c, err := pake.ForIdentities.NewClient(realm)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	ke1, err := c.Login(password)
	if err != nil {
		return nil, err //nolint:wrapcheck // likewise
	}
	ke2, err := x.begin(report.IdentityBegin{Device: device, IdentityMessage: report.IdentityMessage{Message: ke1}})
	if err != nil {
		return nil, err
	}
	return x.finish(c, ke2)
}

func (x *exchanging) register(realm, device, code string, password identity.Secret) ([]byte, error) {
	c, err := pake.ForIdentities.NewClient(realm)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	login, err := pake.ForIdentities.NewClient(realm)
	if err != nil {
		return nil, err //nolint:wrapcheck // likewise
	}
	request, err := c.Register(password)
	if err != nil {
		return nil, err //nolint:wrapcheck // likewise
	}
	response, err := x.begin(report.IdentityBegin{Register: true, Code: code, Device: device, IdentityMessage: report.IdentityMessage{Message: request}})
	if err != nil {
		return nil, err
	}
	record, err := c.Record(response)
	if err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	ke1, err := login.Login(password)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	step, err := x.next(report.IdentityMessage{Message: ke1, Record: record})
	if err != nil {
		return nil, err
	}
	return x.finish(login, step.Message)
}

// proveIdentity asks for what is needed, runs the exchange, and keeps the token.
func (a *App) proveIdentity(ctx context.Context, in *invocation, device func() (string, error),
	run func(x *exchanging, t *asker, k keptToken) ([]byte, error),
) (signedIn, error) {
	k, folder, err := in.place(ctx, device)
	if err != nil {
		return signedIn{}, err
	}
	x := &exchanging{ctx: ctx, daemon: in.daemon()}
	defer x.hangUp()
	token, err := run(x, newAsker(a.Stdin, a.Stderr), k)
	if err != nil {
		return signedIn{}, err
	}
	k.Token = writtenToken(token)
	file, err := k.keep(folder)
	return signedIn{Realm: k.Realm, Account: k.Account, Device: k.Device, File: file}, err
}

func identityLogin(a *App, in *invocation) command.Action {
	device := in.device()
	by := in.wallet()
	return func(ctx context.Context) error {
		w, err := by()
		if err != nil {
			return err
		}
		s, err := a.proveIdentity(ctx, in, device, func(x *exchanging, t *asker, k keptToken) ([]byte, error) {
			if w != nil {
				return x.byWallet(t, k, *w, a.Now())
			}
			password, err := t.respond(pam.PromptEchoOff, "Identity password: ")
			if err != nil {
				return nil, err
			}
			return x.login(k.Realm, k.Device, identity.NewSecret([]byte(password)))
		})
		if err != nil {
			return identityTrouble("login", err)
		}
		return a.show(in, s, func(w io.Writer) {
			fmt.Fprintf(w, "Logged in as %s on the device %s. The token is in %s.\n", s.Account, spoken(s.Device), s.File)
		})
	}
}

func identityRegister(a *App, in *invocation) command.Action {
	device := in.device()
	code := in.String("code", "", "`code` that an administrator gave; without it you are asked")
	return func(ctx context.Context) error {
		s, err := a.proveIdentity(ctx, in, device, func(x *exchanging, t *asker, k keptToken) ([]byte, error) {
			given := *code
			if given == "" {
				typed, err := t.respond(pam.PromptEchoOn, "Code: ")
				if err != nil {
					return nil, err
				}
				given = typed
			}
			password, err := t.newSecret("New identity password: ", "password")
			if err != nil {
				return nil, err
			}
			return x.register(k.Realm, k.Device, strings.TrimSpace(given), identity.NewSecret([]byte(password)))
		})
		if err != nil {
			return identityTrouble("register", err)
		}
		return a.show(in, s, func(w io.Writer) {
			fmt.Fprintf(w, "Registered, and logged in as %s on the device %s. The token is in %s.\n", s.Account, spoken(s.Device), s.File)
		})
	}
}

// newSecret asks for one twice.
func (t *asker) newSecret(question, what string) (string, error) {
	password, err := t.respond(pam.PromptEchoOff, question)
	if err != nil {
		return "", err
	}
	if len(password) < leastPassword {
		return "", fmt.Errorf("a %s has %d characters or more; nothing was done", what, leastPassword)
	}
	again, err := t.respond(pam.PromptEchoOff, "Once more: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", fmt.Errorf("the two %ss differ; nothing was done", what)
	}
	return password, nil
}

// identityVerify asks about a token of anybody's.
func identityVerify(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		text, err := io.ReadAll(io.LimitReader(a.Stdin, 4096))
		if err != nil {
			return identityTrouble("verify", fmt.Errorf("read the token: %w", err))
		}
		token, err := tokenOf(strings.TrimSpace(string(text)))
		if err != nil {
			return command.Usage("standard input holds no token: it is base64url without padding, as \"sallyport identity token\" prints it")
		}
		v, err := control.One[report.IdentityVerified](ctx, in.daemon(), report.VerbIdentityVerify, report.IdentityToken{Name: in.Name(0), Device: in.Name(1), Token: token})
		if err != nil {
			return identityTrouble("verify", err)
		}
		err = a.show(in, v, func(w io.Writer) {
			if v.Valid {
				fmt.Fprintf(w, "The token is %s's, on the device %s.\n", spoken(in.Name(0)), spoken(in.Name(1)))
			} else {
				fmt.Fprintf(w, "It is no good token of %s on the device %s.\n", spoken(in.Name(0)), spoken(in.Name(1)))
			}
		})
		if err == nil && !v.Valid {
			err = errSaid
		}
		return err
	}
}

// kept is the stored token of this account and device.
func (in *invocation) kept(ctx context.Context, device func() (string, error)) (keptToken, []byte, error) {
	k, folder, err := in.place(ctx, device)
	if err != nil {
		return keptToken{}, nil, err
	}
	return readToken(folder, k.Realm, k.Account, k.Device)
}

// identityToken prints the stored token, for other programs.
func identityToken(a *App, in *invocation) command.Action {
	device := in.device()
	bearer := in.Bool("bearer", false, "print it with account and device, for a header \"Authorization: Bearer\"")
	return func(ctx context.Context) error {
		k, token, err := in.kept(ctx, device)
		if err != nil {
			return identityTrouble("token", err)
		}
		if *bearer {
			text := serviceauth.NewToken(string(k.Account), k.Device, token).Bearer()
			return a.show(in, map[string]string{"bearer": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
		}
		return a.show(in, k, func(w io.Writer) { fmt.Fprintln(w, k.Token) })
	}
}

func identityDevices(a *App, in *invocation) command.Action {
	device := in.device()
	return func(ctx context.Context) error {
		k, token, err := in.kept(ctx, device)
		if err != nil {
			return identityTrouble("devices", err)
		}
		all := []report.IdentityDevice{}
		err = in.daemon().Ask(ctx, report.VerbIdentityDevices, report.IdentityToken{Device: k.Device, Token: token}, func(b json.RawMessage) error {
			var d report.IdentityDevice
			if err := json.Unmarshal(b, &d); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			all = append(all, d)
			return nil
		})
		if err != nil {
			return identityTrouble("devices", err)
		}
		return a.show(in, all, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush() //nolint:errcheck // standard output
			fmt.Fprintln(t, "DEVICE\tBY\tCREATED\tUSED\tEXPIRES")
			for _, d := range all {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", spoken(d.Device), spoken(d.AuthType), d.Created.Format(time.DateOnly), d.Used.Format(time.DateOnly), d.Expires.Format(time.DateOnly))
			}
		})
	}
}

func identityRevoke(a *App, in *invocation) command.Action {
	device := in.device()
	return func(ctx context.Context) error {
		k, token, err := in.kept(ctx, device)
		if err != nil {
			return identityTrouble("revoke", err)
		}
		ended := k
		if in.Name(0) != "" {
			ended.Device = in.Name(0)
		}
		err = in.daemon().Ask(ctx, report.VerbIdentityRevoke, report.IdentityToken{Device: k.Device, Token: token, Ends: ended.Device}, func(json.RawMessage) error { return nil })
		if err == nil {
			err = ended.forget()
		}
		if err != nil {
			return identityTrouble("revoke", err)
		}
		return a.show(in, map[string]string{"revoked": ended.Device}, func(w io.Writer) { fmt.Fprintf(w, "The token of the device %s is revoked.\n", spoken(ended.Device)) })
	}
}
