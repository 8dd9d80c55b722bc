// Package client is an instance of an application, docs/applications.md: it announces itself to
// a realm, binds keys of people, and carries what they ask for. What it needs to go on is in a
// folder that nobody but its owner can read.
//
// It promises:
//
//   - An answer counts only where the realm's key signed it, for this instance, for this
//     question and for now. Nothing else is needed of the network, not even TLS.
//   - A person's private key is kept locked with the passphrase alone, and the passphrase nowhere.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
)

// path is where the server takes messages.
const path = "/applications/v1"

// Skew is how far the server's clock may be from this one.
const Skew = 2 * time.Minute

// ErrAnswer says that what came was no answer of the realm to the question.
var ErrAnswer = errors.New("what answered is not the realm, or answers something else")

// RefusedError is a no of the realm's.
type RefusedError message.RefusedBody

func (r RefusedError) Error() string { return r.Message }

// Client is one instance. Folder and Now must be set.
type Client struct {
	Folder string
	Now    func() time.Time
	// HTTP carries messages; nil is http.DefaultClient.
	HTTP *http.Client
}

// party is who asks: what it is, its key, and how answers come.
type party struct {
	message.Party
	key message.Key
}

// question is one that is to be asked.
type question struct {
	purpose message.Purpose
	from    party
	request string
	body    any
	// opens is the key that the answer is encrypted to; nil: it is signed alone. to is its
	// fingerprint where the answer is for another than the sender.
	opens *message.Key
	to    message.Party
}

// ask sends a question, and reads the body of the answer that it has to have.
func (c *Client) ask(ctx context.Context, s state, realm message.Key, q question, into any) error {
	e := message.Envelope{
		Purpose: q.purpose, From: q.from.Party, To: message.Party{Kind: message.Realm, Key: realm.Fingerprint()},
		Request: q.request, Time: c.Now().Unix(),
	}
	text, err := e.Encode(q.body)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	sealed, err := message.Seal(text, q.from.key, &realm, c.Now())
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	answer, err := c.send(ctx, s.Server, sealed)
	if err != nil {
		return err
	}
	a, err := c.open(answer, realm, q)
	if err != nil {
		return err
	}
	if a.Question != message.Digest(text) {
		return fmt.Errorf("%w: it is about another question", ErrAnswer)
	}
	if a.Purpose == message.Refused {
		var no message.RefusedBody
		if err := message.Strict(a.Body, &no); err != nil {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		return RefusedError(no)
	}
	if a.Purpose != message.Rules()[q.purpose].Answer {
		return fmt.Errorf("%w: its purpose is %s", ErrAnswer, a.Purpose)
	}
	if err := message.Strict(a.Body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return nil
}

// open reads an answer, and makes sure that it is the realm's, to this question and of now.
func (c *Client) open(sealed []byte, realm message.Key, q question) (message.Envelope, error) {
	var m message.Signed
	err := message.ErrMessage
	if q.opens != nil {
		m, err = message.Decrypt(sealed, *q.opens)
	}
	open := err != nil // a refusal of an application is signed alone, and so is what hello is answered
	if open {
		m, err = message.ReadSigned(sealed)
	}
	future := false
	if err == nil {
		err = m.Verify(realm, c.Now(), Skew)
		if future = errors.Is(err, message.ErrFuture); future {
			err = nil
		}
	}
	var a message.Envelope
	if err == nil {
		a, err = message.Decode(m.Claims)
	}
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	to := q.from.Party
	if a.Purpose != message.Refused && q.to.Key != "" {
		to = q.to
	}
	switch {
	case open && (q.from.Kind != message.Application || q.opens != nil && a.Purpose != message.Refused):
		return a, fmt.Errorf("%w: it is not encrypted", ErrAnswer)
	case a.From != message.Party{Kind: message.Realm, Key: realm.Fingerprint()}, a.To != to, a.Via != nil:
		return a, fmt.Errorf("%w: it is from or for somebody else", ErrAnswer)
	case a.Request != q.request:
		return a, fmt.Errorf("%w: it is about another request", ErrAnswer)
	case (future || !a.Within(c.Now(), Skew)) && a.Purpose != message.Refused: // a refusal may be about the clock
		return a, fmt.Errorf("%w: it was made at %s, and clocks may be %s apart", ErrAnswer, time.Unix(a.Time, 0).UTC().Format(time.RFC3339), Skew)
	}
	return a, nil
}

// send carries a message by HTTP.
func (c *Client) send(ctx context.Context, server string, sealed []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(server, "/")+path, bytes.NewReader(sealed))
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, message.MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	if resp.StatusCode == http.StatusOK {
		return b, nil
	}
	hint := "the server does not know this application or instance, or the message did not arrive as it was sent; nothing was done"
	switch resp.StatusCode {
	case http.StatusNotFound:
		hint = "no applications are answered at this address: ask the realm's administrator"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: the server answers %s; try again in some seconds", identity.ErrUnavailable, resp.Status)
	}
	return nil, fmt.Errorf("the server answers %s: %s", resp.Status, hint)
}
