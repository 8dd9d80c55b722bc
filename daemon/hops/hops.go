package hops

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
)

// ErrNone says that it is no certificate of this realm.
var ErrNone = errors.New("no ssh certificate of this realm")

// RefusedError says why a certificate of this realm lets nobody in.
type RefusedError struct {
	// KeyID is what the certificate says of itself.
	KeyID string
	Why   string
}

func (r *RefusedError) Error() string {
	return fmt.Sprintf("the ssh certificate %q is refused: %s", r.KeyID, r.Why)
}

// Judge judges certificates that are shown to one machine.
type Judge struct {
	Machine uuid.UUID
	// Authorities are the keys that sign for people, as the key list has them.
	Authorities func() [][]byte
	// Ended tells whether the grant of that request was ended before its time.
	Ended func(request uuid.UUID) bool
	Now   func() time.Time
}

// Line is what sshd is told of a certificate that is shown for that account.
func (j *Judge) Line(account uuid.UUID, blob []byte) (string, error) {
	c, err := j.certificate(account, blob)
	if err != nil {
		return "", err
	}
	options, err := options(c)
	if err != nil {
		return "", &RefusedError{identity.Printable(c.KeyId), err.Error()}
	}
	return strings.Join(options, ",") + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c.SignatureKey))), nil
}

// certificate is one of the realm that is good for that account here and now.
func (j *Judge) certificate(account uuid.UUID, blob []byte) (*ssh.Certificate, error) {
	parsed, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	c, is := parsed.(*ssh.Certificate)
	if !is || !SignedBy(c, j.Authorities()) {
		return nil, ErrNone
	}
	principal := identity.HopPrincipal(j.Machine, account)
	if why := j.refuses(c, principal); why != "" {
		return nil, &RefusedError{identity.Printable(c.KeyId), why}
	}
	// sshd verifies it as well; what is read of it is the realm's word all the same.
	checker := ssh.CertChecker{SupportedCriticalOptions: []string{"source-address"}, Clock: j.Now}
	if err := checker.CheckCert(principal, c); err != nil {
		return nil, &RefusedError{identity.Printable(c.KeyId), err.Error()}
	}
	return c, nil
}

// Stored are those of an account's stored keys that are the authority of a certificate which
// is not the realm's: sshd judges it by them.
func Stored(keys []identity.SSHKey, blob []byte) []string {
	parsed, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil
	}
	c, is := parsed.(*ssh.Certificate)
	if !is {
		return nil
	}
	var lines []string
	for _, k := range keys {
		line, err := identity.ParseKeyLine(k.Line)
		if err != nil || !line.Has("cert-authority") {
			continue
		}
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line.Key)); err == nil && bytes.Equal(key.Marshal(), c.SignatureKey.Marshal()) { //nolint:dogsled // the key alone
			lines = append(lines, k.Line)
		}
	}
	return lines
}

// SignedBy tells whether one of these keys of a key list is said to have signed the
// certificate.
func SignedBy(c *ssh.Certificate, authorities [][]byte) bool {
	by := c.SignatureKey.Marshal()
	return slices.ContainsFunc(authorities, func(k []byte) bool { return bytes.Equal(identity.SSHAuthorityWire(k), by) })
}

// refuses says why not; "": nothing speaks against it.
func (j *Judge) refuses(c *ssh.Certificate, principal string) string {
	now := j.Now().Unix()
	request, err := identity.RequestOfHop(c.KeyId)
	switch {
	case c.CertType != ssh.UserCert:
		return "it is a host's"
	case len(c.ValidPrincipals) != 1 || c.ValidPrincipals[0] != principal:
		return "it is for another machine or another account"
	case c.ValidAfter > uint64(max(now, 0)):
		return fmt.Sprintf("it is good only in %s: this machine's clock may be slow, or the server's fast", apart(c.ValidAfter, now))
	case c.ValidBefore <= uint64(max(now, 0)):
		return fmt.Sprintf("it has been over for %s: this machine's clock may be fast, or the server's slow", apart(c.ValidBefore, now))
	case err != nil:
		return err.Error()
	case j.Ended(request):
		return "its grant was ended"
	default:
		return ""
	}
}

// apart is the time between a certificate's date and now.
func apart(date uint64, now int64) time.Duration {
	if date > 1<<40 { // for ever, as good as
		return time.Duration(1<<40) * time.Millisecond
	}
	d := time.Duration(int64(date)-now) * time.Second
	return d.Abs()
}

// nobody's address and port: nothing listens there and nobody may.
const (
	openNothing   = `permitopen="nothing.invalid:1"`
	listenNothing = `permitlisten="127.0.0.1:1"`
)

// options are those of authorized_keys(5) for it.
func options(c *ssh.Certificate) ([]string, error) {
	list := []string{"cert-authority", `principals="` + c.ValidPrincipals[0] + `"`, "no-agent-forwarding", "no-user-rc"}
	has := func(name string) bool { _, has := c.Extensions[name]; return has }
	next, passes := c.Extensions[identity.HopNext]
	switch {
	case passes:
		host, port, found := strings.Cut(next, " ")
		if n, err := strconv.ParseUint(port, 10, 16); !found || err != nil || n == 0 || !identity.PlainHost(host) {
			return nil, errors.New("the machine that it leads to is none")
		}
		return append(list, "no-pty", "no-X11-forwarding", `permitopen="`+net.JoinHostPort(host, port)+`"`, listenNothing, `command="/bin/false"`), nil
	case has(identity.HopLocal) && !has(identity.HopRemote):
		return append(list, listenNothing), nil
	case has(identity.HopRemote) && !has(identity.HopLocal):
		return append(list, openNothing), nil
	default:
		return list, nil
	}
}
