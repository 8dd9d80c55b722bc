package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A stored ssh key may have the options of authorized_keys(5) before it. They are read by
// sshd's own grammar (auth-options.c): names without regard to case, values in double quotes
// in which \" is a quote and nothing else is special, commas between, no blank outside quotes.
// What sshd would refuse a login for, or read as something else, is no option here:
//
//	an option                                      may stand
//	agent-, port-, X11-forwarding, pty, user-rc    as it is, and with "no-" before it
//	restrict, cert-authority, verify-required,     once or more
//	no-touch-required
//	command, from, principals, tunnel,             once, with a value
//	expiry-time
//	environment, permitopen, permitlisten          any number of times, each with a value
//	any other                                      never

// KeyOption is one option of a key. Value is without its quotes.
type KeyOption struct{ Name, Value string }

// KeyLine is a stored key, taken apart.
type KeyLine struct {
	// Text is that of the options as they are stored, "" without any; Options are the same,
	// with names in lower case.
	Text    string
	Options []KeyOption
	// Key is "type base64".
	Key string
}

// Has tells whether it has the option, whatever its value.
func (k KeyLine) Has(name string) bool {
	return slices.ContainsFunc(k.Options, func(o KeyOption) bool { return o.Name == name })
}

// ParseKeyLine takes a stored key apart: "type base64", or options, a blank and that. That it
// holds a key is checked where it is served.
func ParseKeyLine(line string) (KeyLine, error) {
	if len(line) > MaxKeyLine {
		return KeyLine{}, fmt.Errorf("line of %d bytes", len(line))
	}
	for i := range len(line) {
		if c := line[i]; c < 0x20 || c > 0x7e {
			return KeyLine{}, fmt.Errorf("byte %#02x at %d", c, i)
		}
	}
	first, rest, found := CutKeyOptions(line)
	switch words := strings.Split(rest, " "); {
	case found && len(words) == 1 && keyType(first) && words[0] != "":
		return KeyLine{Key: line}, nil
	case !found || len(words) != 2 || !keyType(words[0]) || words[1] == "":
		return KeyLine{}, errors.New(`not "type base64", nor that with options before it`)
	}
	options, err := parseKeyOptions(first)
	return KeyLine{Text: first, Options: options, Key: rest}, err
}

// keyType tells whether it has the form of a type, as "sk-ssh-ed25519@openssh.com" has.
func keyType(word string) bool { return word != "" && !strings.ContainsAny(word, "\",=\\\t") }

// CutKeyOptions cuts a line behind its first word, in which blanks between quotes count as
// any other byte.
func CutKeyOptions(line string) (first, rest string, found bool) {
	quoted := false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"' && (i == 0 || line[i-1] != '\\'):
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return line[:i], line[i+1:], true
		}
	}
	return line, "", false
}

// parseKeyOptions reads options that commas part.
func parseKeyOptions(text string) ([]KeyOption, error) {
	var list []KeyOption
	for rest := text; ; {
		o, left, err := nextKeyOption(rest)
		if err != nil {
			return nil, err
		}
		if err := checkKeyOption(o, list); err != nil {
			return nil, err
		}
		list = append(list, o)
		if left == "" {
			return list, nil
		}
		if left[0] != ',' {
			return nil, fmt.Errorf("%q stands behind the option %s, where a comma would", left[:1], o.Name)
		}
		rest = left[1:]
	}
}

// nextKeyOption reads one option, and what is left behind it.
func nextKeyOption(text string) (o KeyOption, left string, err error) {
	end := strings.IndexAny(text, `,="`)
	if end < 0 {
		end = len(text)
	}
	o.Name, left = strings.ToLower(text[:end]), text[end:]
	value, has := strings.CutPrefix(left, "=")
	if _, takes := valueOfKeyOption(o.Name); !has || !takes {
		return o, left, nil
	}
	if value == "" || value[0] != '"' {
		return o, "", fmt.Errorf("the value of the option %s is not in double quotes", o.Name)
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && i+1 < len(value) && value[i+1] == '"':
			b.WriteByte('"')
			i++
		case value[i] == '"':
			o.Value = b.String()
			return o, value[i+1:], nil
		default:
			b.WriteByte(value[i])
		}
	}
	return o, "", fmt.Errorf("the quotes of the option %s do not end", o.Name)
}

// bareKeyOption tells whether it is an option that has no value.
func bareKeyOption(name string) bool {
	switch strings.TrimPrefix(name, "no-") {
	case "agent-forwarding", "port-forwarding", "x11-forwarding", "pty", "user-rc":
		return true
	}
	return slices.Contains([]string{"restrict", "cert-authority", "verify-required", "no-touch-required"}, name)
}

// valueOfKeyOption is what checks an option's value, and whether it takes one.
func valueOfKeyOption(name string) (check func(string) bool, takes bool) {
	switch name {
	case "command":
		check = func(v string) bool { return strings.TrimSpace(v) != "" }
	case "principals":
		check = func(v string) bool {
			return each(v, func(p string) bool { return p != "" && !strings.Contains(p, " ") })
		}
	case "from":
		check = func(v string) bool { return each(v, fromPattern) }
	case "expiry-time":
		check = expiryTime
	case "environment":
		check = environmentLine
	case "permitopen":
		check = func(v string) bool { return forwardable(v, false) }
	case "permitlisten":
		check = func(v string) bool { return forwardable(v, true) }
	case "tunnel":
		check = func(v string) bool { _, err := strconv.ParseUint(v, 10, 31); return err == nil || v == "any" }
	default:
		return nil, false
	}
	return check, true
}

// checkKeyOption refuses an option that sshd does not know, one that it would refuse, and
// one that says anew what may be said once.
func checkKeyOption(o KeyOption, before []KeyOption) error {
	check, takes := valueOfKeyOption(o.Name)
	again := slices.ContainsFunc(before, func(b KeyOption) bool { return b.Name == o.Name })
	switch {
	case !takes && !bareKeyOption(o.Name):
		return fmt.Errorf("there is no option %q: those of authorized_keys(5) may stand before a key", o.Name)
	case !takes:
		return nil
	case !check(o.Value):
		return fmt.Errorf("the option %s cannot have the value %q: see authorized_keys(5)", o.Name, o.Value)
	case again && !slices.Contains([]string{"environment", "permitopen", "permitlisten"}, o.Name):
		return fmt.Errorf("the option %s stands there twice", o.Name)
	default:
		return nil
	}
}

func each(list string, ok func(string) bool) bool {
	return !slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return !ok(s) })
}

// fromPattern is a name or an address, maybe with wildcards, or a network; '!' negates it.
// A network whose address has bits beyond its mask sshd refuses everybody for.
func fromPattern(p string) bool {
	p = strings.TrimPrefix(p, "!")
	if strings.Contains(p, "/") {
		n, err := netip.ParsePrefix(p)
		return err == nil && n == n.Masked()
	}
	const others = "*?.:-_%"
	return p != "" && !strings.ContainsFunc(p, func(r rune) bool {
		return !strings.ContainsRune(others, r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// expiryTime is YYYYMMDD, or that with HHMM or HHMMSS; Z behind it means UTC.
func expiryTime(v string) bool {
	v = strings.TrimSuffix(v, "Z")
	for _, form := range []string{"20060102", "200601021504", "20060102150405"} {
		if _, err := time.Parse(form, v); err == nil && len(v) == len(form) {
			return true
		}
	}
	return false
}

func environmentLine(v string) bool {
	name, _, found := strings.Cut(v, "=")
	return found && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// forwardable is "host:port", or a port alone where it is listened on.
func forwardable(v string, listen bool) bool {
	at := strings.LastIndexByte(v, ':')
	host, port := v[:max(at, 0)], v[at+1:]
	if n, err := strconv.ParseUint(port, 10, 16); port != "*" && (err != nil || n == 0) {
		return false
	}
	if at < 0 {
		return listen
	}
	bare, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		_, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		return err == nil && strings.HasSuffix(bare, "]")
	}
	return host != "" && !strings.Contains(host, ":") && fromPattern(host) && host[0] != '!'
}
