package wallet

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Lasts is for how long after Issued At a message is taken, and early is how far the clock of
// whoever wrote it may be ahead.
const (
	Lasts = 10 * time.Minute
	early = time.Minute
)

// Login is what a message must be about to be taken.
type Login struct {
	Realm  string
	Chain  uint64
	Device string
}

// Message is one for a login, with a new nonce.
func (l Login) Message(by Address, now time.Time) Message {
	id := escape(l.Device)
	return Message{
		Domain: l.Realm, Address: by, Statement: "Log in to the identity service.", URI: l.uri(), ChainID: l.Chain,
		Nonce: rand.Text(), IssuedAt: now.UTC().Truncate(time.Second), RequestID: &id,
	}
}

func (l Login) uri() string { return "https://" + l.Realm }

// Check tells what keeps a message from being taken now. Its signature was checked by [Read].
func (l Login) Check(m Message, now time.Time) error {
	device := ""
	if m.RequestID != nil {
		device, _ = url.PathUnescape(*m.RequestID) // which Parse has seen
	}
	for _, c := range []struct {
		is  bool
		why string
	}{
		{m.Scheme == "" || m.Scheme == "https", "its scheme is not https"},
		{m.Domain == l.Realm, fmt.Sprintf("it is for the domain %q, and this is %q", m.Domain, l.Realm)},
		{m.URI == l.uri(), fmt.Sprintf("its URI is %q, and this is %q", m.URI, l.uri())},
		{m.ChainID == l.Chain, fmt.Sprintf("its Chain ID is %d, and this realm's is %d", m.ChainID, l.Chain)},
		{l.Device != "" && device == l.Device, "its Request ID is not the deviceID, percent-encoded"},
		{!m.IssuedAt.After(now.Add(early)), "it was issued in the future: one of the two clocks is wrong"},
		{now.Before(Until(m)), fmt.Sprintf("it is over, %s after Issued At or at its Expiration Time: sign a new one; if this one is new, one of the two clocks is wrong", Lasts)},
		{m.NotBefore == nil || !now.Before(*m.NotBefore), "its Not Before is to come"},
	} {
		if !c.is {
			return fmt.Errorf("%w: %s", ErrMessage, c.why)
		}
	}
	return nil
}

// Until is when a message is over: its nonce must be known as used until then.
func Until(m Message) time.Time {
	until := m.IssuedAt.Add(Lasts)
	if m.Expiration != nil && m.Expiration.Before(until) {
		until = *m.Expiration
	}
	return until
}

// escape writes every byte but the unreserved ones of RFC 3986 as % and two digits.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if isUnreserved(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
