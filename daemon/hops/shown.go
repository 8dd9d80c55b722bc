package hops

import (
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
)

// Shown is what the certificate says by which sshd let somebody in.
type Shown struct {
	Request uuid.UUID
	OnEnd   identity.OnEnd
	// Proved are the factors that earn groups; none unless the certificate says so and is
	// good to this moment.
	Proved []identity.FactorKind
}

// Shown finds the certificate of the realm in what sshd says that it authenticated by: a line
// for each method, "publickey TYPE BASE64" among them. One that was good when sshd asked
// says whose session it is also once its grant was ended. Its errors are those of [Judge.Line].
func (j *Judge) Shown(account uuid.UUID, info string) (Shown, error) {
	for line := range strings.Lines(info) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "publickey" {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil {
			continue
		}
		c, err := j.issued(account, blob)
		if errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return Shown{}, err
		}
		request, err := identity.RequestOfHop(c.KeyId)
		if err != nil {
			return Shown{}, &RefusedError{identity.Printable(c.KeyId), err.Error()}
		}
		s := Shown{Request: request}
		s.OnEnd, _ = identity.ParseOnEnd(c.Extensions[identity.HopSessions])
		if _, err := j.certificate(account, blob); err == nil {
			s.Proved = proved(c)
		}
		return s, nil
	}
	return Shown{}, ErrNone
}

// issued is a certificate that was good for that account here at some time.
func (j *Judge) issued(account uuid.UUID, blob []byte) (*ssh.Certificate, error) {
	parsed, err := ssh.ParsePublicKey(blob)
	c, is := parsed.(*ssh.Certificate)
	if err != nil || !is || c.ValidAfter > math.MaxInt64 {
		return nil, ErrNone
	}
	then := time.Unix(int64(c.ValidAfter), 0)
	past := &Judge{
		Machine: j.Machine, Authorities: j.Authorities,
		Ended: func(uuid.UUID) bool { return false }, Now: func() time.Time { return then },
	}
	return past.certificate(account, blob)
}

// proved are the factors that earn groups by the certificate.
func proved(c *ssh.Certificate) []identity.FactorKind {
	_, earns := c.Extensions[identity.HopEarn]
	_, passes := c.Extensions[identity.HopNext]
	if !earns || passes {
		return nil
	}
	var list []identity.FactorKind
	for word := range strings.SplitSeq(c.Extensions[identity.HopMethods], ",") {
		if k := identity.FactorKind(word); word != "" && !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}
