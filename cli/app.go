package cli

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/cli/command"
)

// An instance of an application, docs/applications.md: it asks the server itself, and needs no
// daemon and no machine of the realm.

// appTimeout bounds one command.
const appTimeout = time.Minute

func (a *App) appRows() []command.Row {
	return []command.Row{
		a.row("app init", "", "make an instance of an application, of what was shipped with it", appInit),
		a.row("app status", "", "what this instance is, and who has registered at it", appStatus),
		a.row("app register", "", "get a key of your own at this instance, with a code", appRegister),
		a.row("app create", "RESOURCE [VALUE]", "have a resource created", appOrder(message.Create)),
		a.row("app read", "RESOURCE", "have a resource read", appOrder(message.Read)),
		a.row("app update", "RESOURCE [VALUE]", "have a resource changed", appOrder(message.Update)),
		a.row("app delete", "RESOURCE", "have a resource deleted", appOrder(message.Delete)),
		a.row("app result", "JOB", "what a job came to that was asked for before", appResult),
	}
}

// instance declares the option of the folder.
func (a *App) instance(in *invocation) func() (*client.Client, error) {
	folder := in.String("state", "", "`folder` of the instance; without it ~/.local/state/sallyport/app")
	return func() (*client.Client, error) {
		c := &client.Client{Folder: *folder, Now: a.Now, HTTP: &http.Client{Transport: &http.Transport{
			// The realm's key proves an answer, whatever carries it.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // see above
		}}}
		if c.Folder != "" {
			return c, nil
		}
		state, err := stateFolder()
		if err != nil {
			return nil, fmt.Errorf("where the instance is: %w", err)
		}
		c.Folder = filepath.Join(state, "app")
		return c, nil
	}
}

// appTrouble says what was being done, and what comes of a no.
func appTrouble(doing string, err error) error {
	var no client.RefusedError
	if errors.As(err, &no) {
		return refusedError{fmt.Errorf("app %s: refused (%s): %w", doing, spoken(no.Cause), err)}
	}
	return fmt.Errorf("app %s: %w", doing, err)
}

// refusedError is a no of the realm's.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

func appInit(a *App, in *invocation) command.Action {
	at := a.instance(in)
	shipped := in.String("shipped", "", "`folder` of what was shipped: application.key and realm.pub")
	server := in.String("server", "", "`address` of the server, https://HOST:PORT or http://HOST:PORT")
	return func(ctx context.Context) error {
		if *shipped == "" || !strings.HasPrefix(*server, "http://") && !strings.HasPrefix(*server, "https://") {
			return command.Usage("--shipped FOLDER and --server URL are needed")
		}
		ctx, end := context.WithTimeout(ctx, appTimeout)
		defer end()
		c, err := at()
		if err != nil {
			return err
		}
		s, err := c.Init(ctx, *shipped, *server)
		if err != nil {
			return appTrouble("init", err)
		}
		return a.showInstance(in, s)
	}
}

func appStatus(a *App, in *invocation) command.Action {
	at := a.instance(in)
	return func(context.Context) error {
		c, err := at()
		if err != nil {
			return err
		}
		s, err := c.Status()
		if err != nil {
			return appTrouble("status", err)
		}
		return a.showInstance(in, s)
	}
}

func (a *App) showInstance(in *invocation, s client.Status) error {
	return a.show(in, s, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		defer t.Flush() //nolint:errcheck // standard output
		fmt.Fprintf(t, "realm\t%s\nserver\t%s\nrealm's key\t%s\ninstance\t%s\n", spoken(s.Realm), spoken(s.Server), s.RealmKey, s.Instance)
		for _, p := range s.People {
			fmt.Fprintf(t, "registered\t%s\n", spoken(p))
		}
	})
}

func appRegister(a *App, in *invocation) command.Action {
	at := a.instance(in)
	code := in.String("code", "", "the administrator's `code`")
	mail := in.String("mail", "", "register by yourself, with a code that is sent to this `address`")
	sms := in.String("sms", "", "register by yourself, with a code that is sent to this `number`")
	totp := in.Bool("totp", false, "register by yourself, with a one-time password of a new generator")
	return func(ctx context.Context) error {
		ways := 0
		for _, given := range []bool{*code != "", *mail != "", *sms != "", *totp} {
			if given {
				ways++
			}
		}
		if ways != 1 {
			return command.Usage("one of --code, --mail, --sms and --totp is needed. An administrator gets a code with \"sallyport-server application invite NAME\"")
		}
		c, err := at()
		if err != nil {
			return err
		}
		t := newAsker(a.Stdin, a.Stderr)
		registration := ""
		if *code == "" {
			if registration, *code, err = beginRegistration(ctx, c, t, *mail, *sms); err != nil {
				return appTrouble("register", err)
			}
		}
		passphrase, err := t.newSecret("New passphrase: ", "passphrase")
		if err != nil {
			return err
		}
		ctx, end := context.WithTimeout(ctx, appTimeout)
		defer end()
		name, err := c.Register(ctx, registration, *code, []byte(passphrase))
		if err != nil {
			return appTrouble("register", err)
		}
		return a.show(in, map[string]string{"account": name}, func(w io.Writer) {
			fmt.Fprintf(w, "Registered as %s. Nobody can restore the passphrase: keep it.\n", spoken(name))
		})
	}
}

// beginRegistration has a code sent, or shows what a generator of one-time passwords is made
// with, and asks for the code.
func beginRegistration(ctx context.Context, c *client.Client, t *asker, mail, sms string) (registration, code string, err error) {
	ctx, end := context.WithTimeout(ctx, appTimeout)
	defer end()
	switch {
	case mail != "":
		registration, err = c.Begin(ctx, "mail", mail)
	case sms != "":
		registration, err = c.Begin(ctx, "sms", sms)
	default:
		secret := rand.Text() // 130 bits in base32
		if registration, err = c.Begin(ctx, "totp", secret); err == nil {
			fmt.Fprintf(t.out, "Add this to your generator of one-time passwords: %s\n", secret)
		}
	}
	if err != nil {
		return "", "", err
	}
	code, err = t.respond(pam.PromptEchoOn, "Code: ")
	return registration, strings.TrimSpace(code), err
}

// person declares the option of who asks, and opens their key.
func (a *App) person(in *invocation) func() (*client.Session, error) {
	at := a.instance(in)
	account := in.String("account", "", "`name` of the account that asks; needed where several have registered")
	return func() (*client.Session, error) {
		c, err := at()
		if err != nil {
			return nil, err
		}
		passphrase, err := newAsker(a.Stdin, a.Stderr).respond(pam.PromptEchoOff, "Passphrase: ")
		if err != nil {
			return nil, err
		}
		return c.Open(*account, []byte(passphrase))
	}
}

// appOrder asks for a job, and what it came to.
func appOrder(operation message.Purpose) func(*App, *invocation) command.Action {
	return func(a *App, in *invocation) command.Action {
		open := a.person(in)
		o := message.OrderBody{}
		var file *string
		if operation == message.Create || operation == message.Update {
			in.StringVar(&o.Type, "type", "text", "`text|number|json|bytes`: what the value is")
			file = in.String("file", "", "`path` of a file with the value")
		}
		if operation == message.Update || operation == message.Delete {
			in.Uint64Var(&o.Revision, "revision", 0, "`number` of the revision that was read")
		}
		return func(ctx context.Context) (err error) {
			o.Resource = in.Name(0)
			if file != nil {
				if o.Value, err = appValue(o.Type, in.Name(1), *file); err != nil {
					return err
				}
			}
			p, err := open()
			if err != nil {
				return appTrouble(string(operation), err)
			}
			defer p.Close()
			ctx, end := context.WithTimeout(ctx, appTimeout)
			defer end()
			job, err := p.Order(ctx, operation, o)
			if err != nil {
				return appTrouble(string(operation), err)
			}
			return a.fetch(ctx, in, p, job)
		}
	}
}

// appValue is a value as JSON.
func appValue(kind, typed, file string) (json.RawMessage, error) {
	b := []byte(typed)
	if (typed == "") == (file == "") {
		return nil, command.Usage("one of VALUE and --file PATH is needed")
	}
	var err error
	if file != "" {
		if b, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("the value: %w", err)
		}
	}
	switch kind {
	case "text":
		b, err = json.Marshal(string(b))
	case "bytes":
		b, err = json.Marshal(base64.StdEncoding.EncodeToString(b))
	}
	if err == nil && !json.Valid(b) {
		err = command.Usage("the value is no JSON, which --type %s takes", kind)
	}
	return b, err
}

func appResult(a *App, in *invocation) command.Action {
	open := a.person(in)
	return func(ctx context.Context) error {
		p, err := open()
		if err != nil {
			return appTrouble("result", err)
		}
		defer p.Close()
		ctx, end := context.WithTimeout(ctx, appTimeout)
		defer end()
		return a.fetch(ctx, in, p, in.Name(0))
	}
}

// fetch shows what a job came to. It is told once, so what was lost is lost.
func (a *App) fetch(ctx context.Context, in *invocation, p *client.Session, job string) error {
	r, err := p.Fetch(ctx, job)
	if err != nil {
		return appTrouble("result", fmt.Errorf("job %s: %w", spoken(job), err))
	}
	if err := a.show(in, r, func(w io.Writer) { printResult(w, r) }); err != nil {
		return err
	}
	if !r.Done {
		return errSaid
	}
	return nil
}

func printResult(w io.Writer, r message.JobResultBody) {
	switch {
	case !r.Done:
		fmt.Fprintf(w, "%s %s: not done (%s)\n", r.Operation, spoken(r.Resource), spoken(r.Cause))
	case r.Operation == message.Read:
		var text string
		if r.Type != "text" || json.Unmarshal(r.Value, &text) != nil {
			text = string(r.Value)
		}
		fmt.Fprintf(w, "%s\n(%s, revision %d)\n", spoken(text), spoken(r.Type), r.Revision)
	case r.Operation == message.Delete:
		fmt.Fprintf(w, "%s is deleted.\n", spoken(r.Resource))
	default:
		fmt.Fprintf(w, "%s has revision %d.\n", spoken(r.Resource), r.Revision)
	}
}
