package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// maxSkew is how far this clock may be from the server's.
const maxSkew = time.Minute

// certificateSoon is how long before its end a certificate is spoken of.
const certificateSoon = 14 * 24 * time.Hour

// lookServer connects to each server as the daemon does, and reads certificate and clock.
func lookServer(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	if c == nil {
		return nil
	}
	var all []report.Finding
	for i := range c.Providers {
		found := h.lookAtServers(ctx, c, &c.Providers[i])
		if slicesHas(found, trouble.NoRoute, trouble.Refused, trouble.Timeout, trouble.DNSDown, trouble.NoDNS) && c.Providers[i].Proxy.String() == "" {
			found = append(found, h.judgeProxy(&c.Providers[i])...)
		}
		all = append(all, found...)
	}
	return all
}

func slicesHas(all []report.Finding, ids ...trouble.ID) bool {
	for _, f := range all {
		for _, id := range ids {
			if f.Cause == string(id) {
				return true
			}
		}
	}
	return false
}

// lookAtServers looks at each server of a realm. Where another one is as it should be, what
// is wrong with one is a warning: it keeps nobody out.
func (h *Host) lookAtServers(ctx context.Context, c *config.Config, p *config.Provider) []report.Finding {
	urls := h.serversOf(ctx, c, p)
	if len(urls) < 2 {
		return h.lookAt(ctx, p)
	}
	found := make([][]report.Finding, len(urls))
	well := false
	for i, u := range urls {
		one := *p
		one.URL = config.URLs{u}
		found[i] = h.lookAt(ctx, &one)
		well = well || Worst(found[i]) != report.Problem
	}
	var all []report.Finding
	for i, u := range urls {
		for _, f := range found[i] {
			if well && f.Severity == report.Problem {
				f.Severity = report.Warning
			}
			if !strings.Contains(f.Detail, u.String()) {
				f.Detail = u.String() + ": " + f.Detail
			}
			all = append(all, f)
		}
	}
	return all
}

// serversOf are the servers that the configuration names, and those of the realm's own list
// that the daemon knows besides.
func (h *Host) serversOf(ctx context.Context, c *config.Config, p *config.Provider) config.URLs {
	urls := slices.Clone(p.URL)
	if !p.Kind.Joined() {
		return urls
	}
	st, err := h.askDaemon(ctx, c)
	if err != nil {
		return urls
	}
	for _, r := range st.Providers {
		for _, s := range r.Servers {
			var u config.URL
			if s.FromRealm && !urls.Has(s.URL) && u.UnmarshalText([]byte(s.URL)) == nil {
				urls = append(urls, u)
			}
		}
	}
	return urls
}

// places are those of a provider's findings.
func (h *Host) places(p *config.Provider, more ...string) []string {
	url := p.URL.String()
	host := strings.TrimPrefix(url, "https://")
	return append(more, "URL", url, "HOST", host, "ADDRESS", host, "FILE", h.configFile())
}

// seen is what whoever answers shows of themselves.
type seen struct {
	chain  []*x509.Certificate
	date   time.Time
	status int
	page   bool // an HTML page, as a proxy or a login page of a network sends
}

func (h *Host) lookAt(ctx context.Context, p *config.Provider) []report.Finding {
	text, err := os.ReadFile(h.path(p.CA))
	switch {
	case errors.Is(err, os.ErrPermission):
		return []report.Finding{trouble.NotRoot.Finding("WHAT", p.CA)}
	case err != nil:
		return []report.Finding{trouble.CAMissing.Finding(h.places(p, "WHY", err.Error())...)}
	}
	known, err := h.judgeOf(p, text)
	if err != nil {
		return []report.Finding{trouble.CAWrong.Finding(append([]string{"FILE", p.CA}, h.places(p)...)...)}
	}
	ctx, cancel := context.WithTimeout(ctx, max(time.Duration(p.Timeout), 2*time.Second))
	defer cancel()
	s, err := h.meet(ctx, p)
	if err != nil {
		return []report.Finding{h.judgeDial(p, err)}
	}
	return h.judgeMet(ctx, p, s, known)
}

// judge tells whether a chain would be the server's at that time.
type judge func(chain []*x509.Certificate, at time.Time) error

// judgeOf reads what the machine trusts that server by.
func (h *Host) judgeOf(p *config.Provider, text []byte) (judge, error) {
	host := p.URL.String()
	if u, err := url.Parse(host); err == nil {
		host = u.Hostname()
	}
	if p.Kind.Joined() {
		return sallyport.Judge(text, host) //nolint:wrapcheck // it says what it was doing
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate")
	}
	return func(chain []*x509.Certificate, at time.Time) error {
		between := x509.NewCertPool()
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: at})
		return err //nolint:wrapcheck // its kind is asked for
	}, nil
}

// meet looks at whoever answers, and believes nothing of it.
func (h *Host) meet(ctx context.Context, p *config.Provider) (seen, error) {
	var s seen
	version := uint16(tls.VersionTLS13)
	if !p.Kind.Joined() {
		version = tls.VersionTLS12 // as its provider: others' servers may stand behind others' proxies
	}
	t := https.Transport(&tls.Config{
		MinVersion:         version,
		InsecureSkipVerify: true, //nolint:gosec // it is judged by judgeMet, and nothing secret is said
		VerifyConnection:   func(cs tls.ConnectionState) error { s.chain = cs.PeerCertificates; return nil },
	}, https.Way{Proxy: p.Proxy.String(), Dial: max(time.Duration(p.Timeout), 2*time.Second)})
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL.String()+"/", nil)
	if err != nil {
		return s, fmt.Errorf("look at the server: %w", err)
	}
	res, err := https.Client(t).Do(req)
	if err != nil {
		return s, fmt.Errorf("look at the server: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	begin, _ := io.ReadAll(io.LimitReader(res.Body, 256))
	s.status, s.page = res.StatusCode, strings.Contains(strings.ToLower(string(begin)), "<html")
	if s.date, err = http.ParseTime(res.Header.Get("Date")); err != nil {
		s.date = time.Time{}
	}
	return s, nil
}

func (h *Host) judgeDial(p *config.Provider, err error) report.Finding {
	var cause *provider.CauseError
	if errors.As(https.Caused(err, h.now()), &cause) {
		return cause.Cause.Finding(append(append([]string{}, cause.Places...), h.places(p, "WHY", err.Error())...)...)
	}
	return trouble.ConnectionBroken.Finding(h.places(p, "WHY", err.Error())...)
}

func (h *Host) judgeMet(ctx context.Context, p *config.Provider, s seen, known judge) []report.Finding {
	now := h.now()
	err := known(s.chain, now)
	if err != nil {
		if timely := https.Timely(s.chain, now, s.date, known); timely != nil {
			return []report.Finding{h.judgeDial(p, timely)}
		}
		if p.Kind.Joined() && h.daemonOnline(ctx, p) {
			err = nil // the daemon knows a newer key list than the file that joining wrote
		}
	}
	if err != nil {
		f := h.judgeDial(p, err)
		if f.Cause == string(trouble.ConnectionBroken) {
			f = trouble.Unproved.Finding(h.places(p, "WHY", err.Error())...)
		}
		return []report.Finding{f}
	}
	var all []report.Finding
	switch {
	case s.status >= 500:
		all = append(all, trouble.ServerFault.Finding(h.places(p, "WHY", fmt.Sprintf("HTTP status %d", s.status))...))
	case s.status == http.StatusProxyAuthRequired || s.page && p.Kind.Joined():
		all = append(all, trouble.Proxy.Finding(h.places(p, "WHY", fmt.Sprintf("HTTP status %d with a page for people", s.status))...))
	}
	return append(all, judgeAnswer(h, p, s)...)
}

// daemonOnline asks the daemon: it may know a newer key list.
func (h *Host) daemonOnline(ctx context.Context, p *config.Provider) bool {
	c, err := config.Load(h.configPath())
	if err != nil {
		return false
	}
	st, err := h.askDaemon(ctx, c)
	if err != nil {
		return false
	}
	for _, r := range st.Providers {
		up := func(s report.Server) bool { return p.URL.Has(s.URL) && s.State == "up" }
		if len(r.Servers) == 0 && strings.HasSuffix(r.Name, " "+p.URL.String()) && r.State == "online" || slices.ContainsFunc(r.Servers, up) {
			return true
		}
	}
	return false
}

func judgeAnswer(h *Host, p *config.Provider, s seen) []report.Finding {
	var all []report.Finding
	leaf := s.chain[0]
	if left := leaf.NotAfter.Sub(h.now()); left < certificateSoon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*certificateSoon {
		all = append(all, trouble.CertEnds.Finding(h.places(p, "DATE", leaf.NotAfter.Format(time.DateOnly))...))
	} else {
		all = append(all, ok("the server proves who it is; its certificate ends on %s", leaf.NotAfter.Format(time.DateOnly)))
	}
	if s.date.IsZero() {
		return append(all, finding(report.Note, "", "the server does not tell the time, so the clock was not compared"))
	}
	if skew := h.now().Sub(s.date); skew.Abs() > maxSkew {
		f := trouble.ClockWrong.Finding(
			"HERE", h.now().UTC().Format(https.Date), "THERE", s.date.UTC().Format(https.Date), "TIME", s.date.UTC().Format(time.DateTime))
		return append([]report.Finding{f}, all...) // first: nothing else counts before
	}
	return append(all, ok("the clock agrees with the server's"))
}

// judgeProxy says that a proxy which is set for other programs is not used.
func (h *Host) judgeProxy(p *config.Provider) []report.Finding {
	for _, file := range []string{"/etc/environment", "/etc/profile.d/proxy.sh", "/etc/apt/apt.conf.d/proxy.conf", "/etc/apt/apt.conf"} {
		text, err := os.ReadFile(h.path(file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(strings.ToLower(string(text))) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") || !strings.Contains(line, "http") || !strings.Contains(line, "proxy") {
				continue
			}
			return []report.Finding{trouble.ProxyNeeded.Finding(h.places(p, "WHERE", file)...)}
		}
	}
	return nil
}

func lastWord(s string) string {
	w := strings.Fields(s)
	if len(w) == 0 {
		return ""
	}
	return w[len(w)-1]
}
