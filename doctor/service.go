package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
)

// lookFiles checks who may read what lies in the state folder.
func lookFiles(_ context.Context, h *Host, c *config.Config) []report.Finding {
	if c == nil {
		return nil
	}
	var all []report.Finding
	want := -1
	if u, err := user.Lookup("sallyport"); err == nil && h.Root == "" {
		want, _ = strconv.Atoi(u.Uid)
	}
	type file struct {
		path string
		mode os.FileMode
	}
	files := []file{
		{c.Paths.State, 0o700},
		{c.Machine.Key, 0o600},
		{filepath.Join(c.Paths.State, "seal.key"), 0o600},
		{filepath.Join(c.Paths.State, "seal.tpm"), 0o600},
	}
	caches, _ := filepath.Glob(h.path(filepath.Join(c.Paths.State, "cache*.db"))) // a pattern of ours
	for _, path := range caches {
		files = append(files, file{filepath.Join(c.Paths.State, filepath.Base(path)), 0o600})
	}
	for i := range c.Providers {
		if token := c.Providers[i].Token; token != "" {
			files = append(files, file{token, 0o600})
		}
	}
	for _, f := range files {
		if bad := judgeFile(h.path(f.path), f.mode, want); bad != nil {
			all = append(all, *bad)
		}
	}
	if len(all) == 0 {
		all = append(all, ok("%s is the daemon's alone", c.Paths.State))
	}
	return all
}

func judgeFile(path string, mode os.FileMode, owner int) *report.Finding {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil // made at the first start
	case errors.Is(err, os.ErrPermission):
		f := finding(report.Note, "run doctor as root", "%s cannot be looked at", path)
		return &f
	case err != nil:
		f := finding(report.Problem, "", "%v", err)
		return &f
	}
	if extra := info.Mode().Perm() &^ mode; extra != 0 {
		f := finding(report.Problem, fmt.Sprintf("sudo chmod %04o %s", mode, path), "%s has mode %04o: others can reach secrets", path, info.Mode().Perm())
		return &f
	}
	if st, isUnix := info.Sys().(*syscall.Stat_t); isUnix && owner >= 0 && int(st.Uid) != owner {
		f := finding(report.Problem, "sudo chown sallyport:sallyport "+path, "%s belongs to uid %d, not to sallyport: the daemon cannot use it", path, st.Uid)
		return &f
	}
	return nil
}

// lookDaemon asks the daemon for its own view.
func lookDaemon(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	run := config.Defaults().Paths.Run
	if c != nil {
		run = c.Paths.Run
	}
	s, err := control.One[report.Status](ctx, control.Client{Path: h.path(filepath.Join(run, "control.sock"))}, report.VerbStatus, nil)
	if err != nil {
		return []report.Finding{finding(report.Problem, "sudo systemctl start sallyportd, then: journalctl -u sallyportd",
			"the daemon does not answer: %v", err)}
	}
	all := s.Findings
	if !slices.ContainsFunc(all, func(f report.Finding) bool { return f.Check == "seal" }) {
		all = append(all, ok("secrets of this machine are sealed by %s: %s", s.Seal.Kind, s.Seal.Detail))
	}
	all = append(all, h.judgeCards(s.Cards)...)
	all = append(all, h.judgeSetGID(s.StrengthGated)...)
	for _, p := range s.Providers {
		switch {
		case p.Alarm != "":
			all = append(all, finding(report.Problem, "before anything else, do what the line on the server says",
				"%s: %s", p.Name, p.Alarm))
		case p.State != "online":
			all = append(all, finding(report.Warning, "see whether the address can be reached from here", "%s: %s since %s: %s",
				p.Name, p.State, p.Since.Format(time.DateTime), p.LastError))
		default:
			all = append(all, ok("the daemon is online at %s; accounts known here: %d", p.Name, s.Cache.Accounts))
		}
	}
	if s.Cache.Rebuilt != "" {
		all = append(all, finding(report.Warning, "keep or remove the old file; nobody needs it", "the database was damaged and made anew: %s", s.Cache.Rebuilt))
	}
	for _, mode := range []string{"lookup.sock", "pam.sock", "control.sock"} {
		p := h.path(filepath.Join(run, mode))
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o666 {
			all = append(all, finding(report.Problem, "sudo systemctl restart sallyportd.socket", "%s cannot be used by everyone (want mode 0666): %v", p, err))
		}
	}
	return all
}

// maxSkew is how far this clock may be from the server's.
const maxSkew = time.Minute

// lookServer connects to each server as the daemon does, and reads certificate and
// clock.
func lookServer(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	if c == nil {
		return nil
	}
	var all []report.Finding
	for i := range c.Providers {
		all = append(all, lookAt(ctx, h, &c.Providers[i])...)
	}
	return all
}

func lookAt(ctx context.Context, h *Host, p *config.Provider) []report.Finding {
	pem, err := os.ReadFile(h.path(p.CA))
	if err != nil {
		return []report.Finding{finding(report.Problem, "sudo sallyport join again writes it", "the server's certificate cannot be read: %v", err)}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return []report.Finding{finding(report.Problem, "sudo sallyport join again writes it", "%s holds no certificate", p.CA)}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.Timeout))
	defer cancel()
	version := uint16(tls.VersionTLS13)
	if p.Kind.String() == config.Kanidm {
		version = tls.VersionTLS12 // as its provider: others' servers may stand behind others' proxies
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: version, Time: h.now}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL.String()+"/", nil)
	if err != nil {
		return []report.Finding{finding(report.Problem, "", "%v", err)}
	}
	res, err := client.Do(req)
	if err != nil {
		return []report.Finding{judgeDial(p.URL.String(), err)}
	}
	defer res.Body.Close() //nolint:errcheck // not read
	return judgeAnswer(h, res)
}

func judgeDial(url string, err error) report.Finding {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) {
		return finding(report.Problem, "compare fingerprints with the administrator; if the server really changed its certificate, join again",
			"whoever answers at %s cannot prove to be the server: %v", url, errors.Unwrap(err))
	}
	return finding(report.Warning, "is the address right, the network up, a firewall in between? People log in offline meanwhile",
		"%s cannot be reached: %v", url, err)
}

func judgeAnswer(h *Host, res *http.Response) []report.Finding {
	var all []report.Finding
	leaf := res.TLS.PeerCertificates[0]
	if left := leaf.NotAfter.Sub(h.now()); left < 14*24*time.Hour {
		all = append(all, finding(report.Warning, "the server's administrator must renew it", "the server's certificate ends on %s", leaf.NotAfter.Format(time.DateOnly)))
	} else {
		all = append(all, ok("the server proves who it is; its certificate ends on %s", leaf.NotAfter.Format(time.DateOnly)))
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return append(all, finding(report.Note, "", "the server does not tell the time, so the clock was not compared"))
	}
	if skew := h.now().Sub(date); skew.Abs() > maxSkew {
		return append(all, finding(report.Problem, "set the clock: sudo timedatectl set-ntp true",
			"this clock is %s %s the server's: codes and tokens are refused", skew.Abs().Round(time.Second), direction(skew)))
	}
	return append(all, ok("the clock agrees with the server's"))
}

func direction(skew time.Duration) string {
	if skew < 0 {
		return "behind"
	}
	return "ahead of"
}
