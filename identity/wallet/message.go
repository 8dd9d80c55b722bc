package wallet

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxMessage is the length of a message in bytes.
const maxMessage = 4096

// ErrMessage says that a text is no message of EIP-4361, or not one that is taken.
var ErrMessage = errors.New("the signed message is not right")

// Message is one of EIP-4361, version 1. What is optional is "" or nil where it is absent.
type Message struct {
	Scheme, Domain string
	Address        Address
	Statement      string
	URI            string
	ChainID        uint64
	Nonce          string
	IssuedAt       time.Time
	Expiration     *time.Time
	NotBefore      *time.Time
	RequestID      *string
	Resources      []string
}

const wants = " wants you to sign in with your Ethereum account:"

// String is the text that is signed.
func (m Message) String() string {
	var b strings.Builder
	if m.Scheme != "" {
		b.WriteString(m.Scheme + "://")
	}
	b.WriteString(m.Domain + wants + "\n" + m.Address.String() + "\n\n")
	if m.Statement != "" {
		b.WriteString(m.Statement + "\n")
	}
	fmt.Fprintf(&b, "\nURI: %s\nVersion: 1\nChain ID: %d\nNonce: %s\nIssued At: %s", m.URI, m.ChainID, m.Nonce, m.IssuedAt.Format(time.RFC3339Nano))
	if m.Expiration != nil {
		b.WriteString("\nExpiration Time: " + m.Expiration.Format(time.RFC3339Nano))
	}
	if m.NotBefore != nil {
		b.WriteString("\nNot Before: " + m.NotBefore.Format(time.RFC3339Nano))
	}
	if m.RequestID != nil {
		b.WriteString("\nRequest ID: " + *m.RequestID)
	}
	if m.Resources != nil {
		b.WriteString("\nResources:")
	}
	for _, r := range m.Resources {
		b.WriteString("\n- " + r)
	}
	return b.String()
}

// Parse reads one by the grammar of EIP-4361.
func Parse(text string) (Message, error) {
	if len(text) > maxMessage {
		return Message{}, fmt.Errorf("%w: it is longer than %d bytes", ErrMessage, maxMessage)
	}
	p := parser{lines: strings.Split(text, "\n")}
	m := p.message()
	if p.wrong != "" {
		return Message{}, fmt.Errorf("%w: %s is not as EIP-4361 has it", ErrMessage, p.wrong)
	}
	return m, nil
}

// parser goes over the lines of a message. wrong is the first thing that is not as it must be.
type parser struct {
	lines []string
	wrong string
}

func (p *parser) message() (m Message) {
	var is bool
	who, is := strings.CutSuffix(p.line(), wants)
	p.must(is, "the first line")
	if scheme, domain, has := strings.Cut(who, "://"); has {
		p.must(isScheme(scheme), "the scheme")
		m.Scheme, who = scheme, domain
	}
	p.must(isAuthority(who), "the domain")
	m.Domain = who
	var err error
	m.Address, err = ParseAddress(p.line())
	p.must(err == nil, "the address (EIP-55)")
	p.must(p.line() == "", "the line below the address")
	if m.Statement = p.line(); m.Statement != "" {
		p.must(all(m.Statement, inStatement), "the statement")
		p.must(p.line() == "", "the line below the statement")
	}
	m.URI = p.field("URI")
	p.must(isURI(m.URI), "URI")
	p.must(p.field("Version") == "1", "Version")
	chain := p.field("Chain ID")
	m.ChainID, err = strconv.ParseUint(chain, 10, 63)
	p.must(err == nil && all(chain, isDigit), "Chain ID")
	m.Nonce = p.field("Nonce")
	p.must(len(m.Nonce) >= 8 && all(m.Nonce, isAlphanumeric), "Nonce")
	m.IssuedAt = p.time(p.field("Issued At"), "Issued At")
	p.optional(&m)
	p.must(len(p.lines) == 0, "what follows the last field")
	return m
}

// optional reads the fields that may be left out.
func (p *parser) optional(m *Message) {
	if text, has := p.may("Expiration Time: "); has {
		t := p.time(text, "Expiration Time")
		m.Expiration = &t
	}
	if text, has := p.may("Not Before: "); has {
		t := p.time(text, "Not Before")
		m.NotBefore = &t
	}
	if text, has := p.may("Request ID: "); has {
		p.must(escaped(text, inPathSegment), "Request ID")
		m.RequestID = &text
	}
	if text, has := p.may("Resources:"); has {
		p.must(text == "", "Resources")
		m.Resources = []string{}
		for len(p.lines) > 0 {
			r, is := strings.CutPrefix(p.line(), "- ")
			p.must(is && isURI(r), "Resources")
			m.Resources = append(m.Resources, r)
		}
	}
}

func (p *parser) must(is bool, what string) {
	if !is && p.wrong == "" {
		p.wrong = what
	}
}

// line takes the next one.
func (p *parser) line() string {
	if len(p.lines) == 0 {
		p.must(false, "the end of the text")
		return ""
	}
	l := p.lines[0]
	p.lines = p.lines[1:]
	return l
}

func (p *parser) field(name string) string {
	text, is := strings.CutPrefix(p.line(), name+": ")
	p.must(is, name)
	return text
}

// may takes the next line if it begins so.
func (p *parser) may(prefix string) (string, bool) {
	if len(p.lines) == 0 || !strings.HasPrefix(p.lines[0], prefix) {
		return "", false
	}
	return strings.TrimPrefix(p.line(), prefix), true
}

// time reads a date-time of RFC 3339.
func (p *parser) time(text, what string) (t time.Time) {
	p.must(t.UnmarshalText([]byte(text)) == nil, what)
	return t
}

func isDigit(c byte) bool        { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool        { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlphanumeric(c byte) bool { return isDigit(c) || isAlpha(c) }

// The classes of RFC 3986.
func isUnreserved(c byte) bool  { return isAlphanumeric(c) || strings.IndexByte("-._~", c) >= 0 }
func isReserved(c byte) bool    { return strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0 }
func inStatement(c byte) bool   { return isUnreserved(c) || isReserved(c) || c == ' ' }
func inURI(c byte) bool         { return isUnreserved(c) || isReserved(c) }
func inPathSegment(c byte) bool { return isUnreserved(c) || strings.IndexByte("!$&'()*+,;=:@", c) >= 0 }
func inAuthority(c byte) bool   { return inPathSegment(c) || c == '[' || c == ']' }

func all(text string, is func(byte) bool) bool {
	for i := range len(text) {
		if !is(text[i]) {
			return false
		}
	}
	return true
}

// escaped: of such bytes, and of others as % and two hexadecimal digits.
func escaped(text string, is func(byte) bool) bool {
	_, err := url.PathUnescape(text)
	return err == nil && all(text, func(c byte) bool { return is(c) || c == '%' })
}

func isScheme(s string) bool {
	return s != "" && isAlpha(s[0]) && all(s, func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("+-.", c) >= 0 })
}

func isAuthority(s string) bool {
	u, err := url.Parse("//" + s)
	return err == nil && u.Host != "" && escaped(s, inAuthority)
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && escaped(s, inURI)
}
