package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-auth/sallyport/application/message"
)

// leastPassphrase is in bytes: nobody but this program sees it.
const leastPassphrase = 8

// ErrThere says that the folder has an instance already.
var ErrThere = errors.New("there is an instance here already")

// Init announces a new instance to the server of that address, with what was shipped in that
// folder, and keeps it.
func (c *Client) Init(ctx context.Context, shipped, server string) (Status, error) {
	if _, err := os.Stat(c.file(stateFile)); err == nil {
		return Status{}, fmt.Errorf("%w: %s; name another folder, or remove this one", ErrThere, c.Folder)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Status{}, fmt.Errorf("the instance: %w", err)
	}
	realmText, err := os.ReadFile(filepath.Join(shipped, RealmKey))
	if err != nil {
		return Status{}, fmt.Errorf("what is shipped with the application: %w", err)
	}
	realm, err := c.public(filepath.Join(shipped, RealmKey))
	if err != nil {
		return Status{}, err
	}
	app, err := c.private(filepath.Join(shipped, ApplicationKey), nil)
	if err != nil {
		return Status{}, err
	}
	s, k, err := c.announce(ctx, state{Server: server, People: map[string]string{}}, realm, app)
	if err != nil {
		return Status{}, err
	}
	private, err := k.ArmoredPrivate(nil)
	if err != nil {
		return Status{}, err //nolint:wrapcheck // it says what it is about
	}
	if err := errors.Join(c.write(RealmKey, realmText), c.write(instanceKey, []byte(private))); err != nil {
		return Status{}, err
	}
	if err := c.writeState(s); err != nil { // the last: with it there is an instance
		return Status{}, err
	}
	return c.Status()
}

// announce takes the steps 1.2.1 to 1.2.6.
func (c *Client) announce(ctx context.Context, s state, realm, app message.Key) (state, message.Key, error) {
	from := party{message.Party{Kind: message.Application, Key: app.Fingerprint()}, app}
	code := message.NewRequest() // as random as that
	err := c.ask(ctx, s, realm, question{purpose: message.Hello, from: from, request: message.NewRequest(), body: message.HelloBody{Code: code}}, &message.EmptyBody{})
	if err != nil {
		return s, app, err
	}
	k, err := message.NewKey("instance", c.Now())
	if err != nil {
		return s, k, err //nolint:wrapcheck // it says what it is about
	}
	public, err := k.ArmoredPublic()
	if err != nil {
		return s, k, err //nolint:wrapcheck // likewise
	}
	var bound message.InstanceBoundBody
	err = c.ask(ctx, s, realm, question{
		purpose: message.InstanceKey, from: from, request: message.NewRequest(), body: message.InstanceKeyBody{Code: code, Key: public},
		opens: &k, to: message.Party{Kind: message.Instance, Key: k.Fingerprint()},
	}, &bound)
	if err == nil && bound.Instance != k.Fingerprint() {
		err = fmt.Errorf("%w: it is about another instance", ErrAnswer)
	}
	s.Instance, s.Realm = k.Fingerprint(), bound.Realm
	return s, k, err
}

// Begin begins a registration without an administrator, by one of the methods mail, sms and
// totp, and returns what it goes on under.
func (c *Client) Begin(ctx context.Context, method, payload string) (string, error) {
	s, realm, me, err := c.load()
	if err != nil {
		return "", err
	}
	request := message.NewRequest()
	err = c.ask(ctx, s, realm, question{
		purpose: message.Register, from: me, request: request, body: message.RegisterBody{Method: method, Payload: payload}, opens: &me.key,
	}, &message.RegisterBegunBody{})
	return request, err
}

// Register binds a new key of a person with a code, and tells whose it is: an administrator's
// code where registration is empty, or else the one that came after [Client.Begin].
func (c *Client) Register(ctx context.Context, registration, code string, passphrase []byte) (string, error) {
	if len(passphrase) < leastPassphrase {
		return "", fmt.Errorf("the passphrase has to have %d characters or more", leastPassphrase)
	}
	s, realm, me, err := c.load()
	if err != nil {
		return "", err
	}
	request := message.NewRequest()
	var accepted message.CodeAcceptedBody
	err = c.ask(ctx, s, realm, question{purpose: message.Code, from: me, request: request, body: message.CodeBody{Code: code, Registration: registration}, opens: &me.key}, &accepted)
	if err == nil && (accepted.Code != code || (accepted.Account == "") != (registration != "")) {
		err = fmt.Errorf("%w: it is about another code", ErrAnswer)
	}
	if err != nil {
		return "", err
	}
	if registration == "" {
		registration = request
	}
	return c.bind(ctx, s, realm, me, registration, accepted.Account, passphrase)
}

// bind makes a key and has it bound. The account is known before where it was there before.
func (c *Client) bind(ctx context.Context, s state, realm message.Key, me party, registration, account string, passphrase []byte) (string, error) {
	k, err := message.NewKey("person", c.Now())
	if err != nil {
		return "", err //nolint:wrapcheck // it says what it is about
	}
	public, err := k.ArmoredPublic()
	if err != nil {
		return "", err //nolint:wrapcheck // likewise
	}
	request := message.NewRequest()
	who := party{message.Party{Kind: message.Person, Key: k.Fingerprint()}, k}
	proof, err := c.signs(realm, me, who, message.PersonProof, request, message.EmptyBody{})
	if err != nil {
		return "", err
	}
	var bound message.PersonBoundBody
	err = c.ask(ctx, s, realm, question{
		purpose: message.PersonKey, from: me, request: request, body: message.PersonKeyBody{Registration: registration, Key: public, Proof: proof}, opens: &me.key,
	}, &bound)
	if err == nil && (bound.Key != k.Fingerprint() || account != "" && bound.Account != account) {
		err = fmt.Errorf("%w: it is about another key", ErrAnswer)
	}
	if err == nil && (bound.Account == "" || strings.ContainsAny(bound.Account, "/\x00")) {
		err = fmt.Errorf("%w: it names no account", ErrAnswer)
	}
	if err != nil {
		return "", err
	}
	locked, err := k.ArmoredPrivate(passphrase)
	if err != nil {
		return "", err //nolint:wrapcheck // likewise
	}
	if err := c.write(fmt.Sprintf(personFile, bound.Account), []byte(locked)); err != nil {
		return "", err
	}
	s.People[bound.Account] = bound.Key
	return bound.Account, c.writeState(s)
}

// signs is what a person signs, for a message of this instance with that request's id.
func (c *Client) signs(realm message.Key, me, who party, purpose message.Purpose, request string, body any) ([]byte, error) {
	e := message.Envelope{
		Purpose: purpose, From: who.Party, To: message.Party{Kind: message.Realm, Key: realm.Fingerprint()}, Via: &me.Party,
		Request: request, Time: c.Now().Unix(),
	}
	text, err := e.Encode(body)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return message.Seal(text, who.key, nil, c.Now()) //nolint:wrapcheck // likewise
}

// Session is one person at this instance, who has said the passphrase.
type Session struct {
	c     *Client
	s     state
	realm message.Key
	me    party
	who   party
}

// Open opens the key of somebody who has registered here; "" is the only one.
func (c *Client) Open(account string, passphrase []byte) (*Session, error) {
	s, realm, me, err := c.load()
	if err != nil {
		return nil, err
	}
	if account == "" && len(s.People) == 1 {
		for account = range s.People {
		}
	}
	fingerprint := s.People[account]
	if fingerprint == "" && account == "" {
		return nil, fmt.Errorf("%d people have registered here: name one with --account NAME, or register first", len(s.People))
	}
	if fingerprint == "" {
		return nil, fmt.Errorf("%s has not registered here: \"sallyport app register\" does that", account)
	}
	k, err := c.private(c.file(fmt.Sprintf(personFile, account)), passphrase)
	if err != nil {
		return nil, err
	}
	if k.Fingerprint() != fingerprint {
		return nil, fmt.Errorf("the key of %s is not the one that was registered", account)
	}
	return &Session{c, s, realm, me, party{message.Party{Kind: message.Person, Key: fingerprint}, k}}, nil
}

// Close forgets the private key.
func (p *Session) Close() { p.who.key.Wipe() }

// carry sends what the person signs.
func (p *Session) carry(ctx context.Context, outer, inner message.Purpose, body, into any) error {
	request := message.NewRequest()
	signed, err := p.c.signs(p.realm, p.me, p.who, inner, request, body)
	if err != nil {
		return err
	}
	return p.c.ask(ctx, p.s, p.realm, question{purpose: outer, from: p.me, request: request, body: message.CarriedBody{Signed: signed}, opens: &p.me.key}, into)
}

// Order asks for an operation, and returns the job's id.
func (p *Session) Order(ctx context.Context, operation message.Purpose, o message.OrderBody) (string, error) {
	var accepted message.JobAcceptedBody
	err := p.carry(ctx, message.Job, operation, o, &accepted)
	return accepted.Job, err
}

// Fetch asks what a job came to, which is told once.
func (p *Session) Fetch(ctx context.Context, job string) (r message.JobResultBody, err error) {
	err = p.carry(ctx, message.Result, message.Fetch, message.FetchBody{Job: job}, &r)
	if err == nil && r.Job != job {
		err = fmt.Errorf("%w: it is about another job", ErrAnswer)
	}
	return r, err
}
