package kanidm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/trouble"
)

// maxBody bounds one answer, in bytes: an account in thousands of groups.
const maxBody = 4 << 20

// authSession is the header that ties the steps of an authentication together.
const authSession = "X-KANIDM-AUTH-SESSION-ID"

// errUnauthorized is a 401: whatever session we showed is worth nothing.
var errUnauthorized = errors.New("the server does not accept the session")

// call is one request and its answer.
type call struct {
	method, path string
	bearer       string
	session      string // of an authentication, "" for none
	body         any    // nil: none
}

// answer is what came back. Of do it is a 200 with a body that is JSON.
type answer struct {
	body    json.RawMessage
	session string
	at      time.Time // the server's clock; zero when it does not tell
	op      string    // the server's name for the request, for logs
}

// do makes one request. Its errors wrap the provider's sentinels, or errUnauthorized.
func (p *Provider) do(ctx context.Context, c call) (answer, error) {
	status, a, err := p.ask(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := meaning(status, a.body); err != nil {
		return answer{}, fmt.Errorf("%s %s (operation %s): %w", c.method, c.path, a.op, err)
	}
	return a, nil
}

// ask is do for an answer of any status.
func (p *Provider) ask(ctx context.Context, c call) (int, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Call)
	defer cancel()
	var body io.Reader
	if c.body != nil {
		b, err := json.Marshal(c.body)
		if err != nil {
			return 0, answer{}, fmt.Errorf("%w: %w", provider.ErrOffline, err)
		}
		defer clear(b) // it may hold a password
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, p.o.URL+c.path, body)
	if err != nil {
		return 0, answer{}, fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.session != "" {
		req.Header.Set(authSession, c.session)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		err = p.dated(err)
		return 0, answer{}, fmt.Errorf("%w: %w", unanswered(err), https.Caused(err, time.Now()))
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end, or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil || len(b) > maxBody {
		return 0, answer{}, fmt.Errorf("%w: the answer is cut short, or too long: %w", provider.ErrOffline, err)
	}
	a := answer{body: b, session: resp.Header.Get(authSession), op: resp.Header.Get("X-KANIDM-OPID")}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.at = t
	}
	return resp.StatusCode, a, nil
}

// unanswered tells a server that is away from one that is not who it should be.
func unanswered(err error) error {
	var dated *provider.CauseError
	if https.Distrusted(err) && !errors.As(err, &dated) {
		return provider.ErrUntrusted
	}
	return provider.ErrOffline
}

// dated tells a server whose certificate is right but for its dates from one that is not
// who it should be.
func (p *Provider) dated(err error) error {
	var v *tls.CertificateVerificationError
	u, bad := url.Parse(p.o.URL)
	if !errors.As(err, &v) || bad != nil || len(v.UnverifiedCertificates) == 0 {
		return err
	}
	known := func(chain []*x509.Certificate, at time.Time) error {
		between := x509.NewCertPool()
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: u.Hostname(), Roots: p.roots, Intermediates: between, CurrentTime: at})
		return err //nolint:wrapcheck // only asked whether there is one
	}
	if timely := https.Timely(v.UnverifiedCertificates, time.Now(), time.Time{}, known); timely != nil {
		return timely
	}
	return err
}

// meaning is the table of the package comment. nil is a 200 with JSON.
func meaning(status int, body []byte) error {
	if status == http.StatusOK && json.Valid(body) {
		return nil
	}
	said := printable(body)
	switch status {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", errUnauthorized, said)
	case http.StatusForbidden:
		return fmt.Errorf("%w: 403: %s", provider.ErrRefusedMachine, said)
	case http.StatusNotFound:
		if bareName(body) == "nomatchingentries" {
			return provider.ErrNotFound
		}
	case http.StatusInternalServerError:
		if noLongerPOSIX(body) {
			return fmt.Errorf("%w: %s", provider.ErrNotFound, said)
		}
	}
	err := fmt.Errorf("%w: status %d: %s", provider.ErrOffline, status, said)
	switch {
	case status >= http.StatusInternalServerError:
		return &provider.CauseError{Cause: trouble.ServerFault, Err: err}
	case status == http.StatusProxyAuthRequired, bytes.Contains(bytes.ToLower(body[:min(len(body), 256)]), []byte("<html")):
		return &provider.CauseError{Cause: trouble.Proxy, Err: err}
	}
	return err
}

// bareName is what an answer says that is only a name.
func bareName(body []byte) string {
	var name string
	if json.Unmarshal(body, &name) != nil {
		return ""
	}
	return name
}

// noLongerPOSIX tells whether the account or group exists and is none for this
// machine. A group that is asked for as an account is no account.
func noLongerPOSIX(body []byte) bool {
	var e struct {
		MissingClass        string  `json:"missingclass"`
		InvalidAccountState *string `json:"invalidaccountstate"`
	}
	if json.Unmarshal(body, &e) != nil {
		return false
	}
	return slices.Contains([]string{"account", "posixaccount", "posixgroup"}, e.MissingClass) || e.InvalidAccountState != nil
}

// printable is what a server said, fit for a log.
func printable(b []byte) string {
	const most = 200
	s := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b[:min(len(b), most)]), ""))
	return strings.TrimSpace(s)
}

// session is our own at the server: a service account's token, or the anonymous one.
type session struct {
	lock   chan struct{} // one renews it; made by New
	bearer string
}

// own makes a request with our own session, which is renewed once if it is dead.
func (p *Provider) own(ctx context.Context, c call) (answer, error) {
	var err error
	if c.bearer, err = p.bearer(ctx, ""); err != nil {
		return answer{}, err
	}
	a, err := p.do(ctx, c)
	if !errors.Is(err, errUnauthorized) {
		return a, err
	}
	if c.bearer, err = p.bearer(ctx, c.bearer); err != nil {
		return answer{}, err
	}
	if a, err = p.do(ctx, c); errors.Is(err, errUnauthorized) {
		return answer{}, fmt.Errorf("%w: %w", provider.ErrRefusedMachine, err)
	}
	return a, err
}

// bearer is the session's token, a new one if the present one is dead.
func (p *Provider) bearer(ctx context.Context, dead string) (string, error) {
	if p.o.Token.Len() > 0 {
		if dead != "" {
			return "", &provider.CauseError{Cause: trouble.TokenRefused, Err: fmt.Errorf("%w: the service account's token is not accepted", provider.ErrRefusedMachine)}
		}
		return string(p.o.Token.Reveal()), nil
	}
	select {
	case p.session.lock <- struct{}{}:
		defer func() { <-p.session.lock }()
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
	}
	if p.session.bearer != "" && p.session.bearer != dead {
		return p.session.bearer, nil
	}
	p.session.bearer = ""
	x, _, err := p.begin(ctx, "anonymous")
	if err != nil {
		return "", err
	}
	s, err := x.try(ctx, "anonymous", "anonymous")
	if err != nil {
		return "", err
	}
	if s.bearer == "" {
		return "", fmt.Errorf("%w: it gives no anonymous session: %s", provider.ErrRefusedMachine, printable([]byte(s.denied)))
	}
	p.session.bearer = s.bearer
	return s.bearer, nil
}

var errShape = fmt.Errorf("%w: an answer of another form than expected", provider.ErrOffline)

func parse(a answer, into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%w: %w", errShape, err)
	}
	return nil
}
