package hop

import (
	"errors"
	"fmt"
	"strings"
)

// Line is ssh's command line.
type Line struct {
	// Args are the arguments without -F, which Config has; "": there was none.
	Args   []string
	Config string
	// Host is the destination as it was typed.
	Host string
	// Stdio says that standard input and output are carried on from the target (-W).
	Stdio bool
}

// The options of ssh(1) of OpenSSH 10, by whether a word follows.
const (
	alone     = "1246AaCfGgKkMNnqsTtVvXxYy"
	withValue = "BbcDEeFIiJLlmOoPpQRSWw"
)

// ErrUsage says that the words are not ssh's.
var ErrUsage = errors.New("not a command line of ssh")

// Parse reads the arguments of ssh(1): options, the destination, more options, and what is
// to be run there, which is left as it is.
func Parse(args []string) (Line, error) {
	var l Line
	i := 0
	for i < len(args) {
		a := args[i]
		if l.Host != "" && (!strings.HasPrefix(a, "-") || a == "-") {
			break // the command
		}
		switch {
		case a == "--":
			l.Args = append(l.Args, a)
			rest := args[i+1:]
			if l.Host == "" && len(rest) > 0 {
				l.Host = rest[0]
			}
			return l.end(rest)
		case !strings.HasPrefix(a, "-") || a == "-":
			l.Host = a
			l.Args = append(l.Args, a)
			i++
		default:
			n, err := l.options(args[i:])
			if err != nil {
				return Line{}, err
			}
			i += n
		}
	}
	return l.end(args[i:])
}

func (l Line) end(command []string) (Line, error) {
	l.Args = append(l.Args, command...)
	if l.Host == "" {
		return Line{}, fmt.Errorf("%w: a host is missing", ErrUsage)
	}
	return l, nil
}

// options reads one word of options, "-4vp 22", and says how many words that were.
func (l *Line) options(args []string) (int, error) {
	word := args[0]
	for at := 1; at < len(word); at++ {
		switch letter := word[at]; {
		case strings.IndexByte(alone, letter) >= 0:
			continue
		case strings.IndexByte(withValue, letter) >= 0:
			value, n := word[at+1:], 1
			if value == "" {
				if len(args) < 2 {
					return 0, fmt.Errorf("%w: -%c needs a value", ErrUsage, letter)
				}
				value, n = args[1], 2
			}
			if letter == 'W' {
				l.Stdio = true
			}
			if letter != 'F' {
				l.Args = append(l.Args, args[:n]...)
				return n, nil
			}
			l.Config = value
			if at > 1 { // those before it in one word
				l.Args = append(l.Args, word[:at])
			}
			return n, nil
		default:
			return 0, fmt.Errorf("%w: ssh has no option -%c", ErrUsage, letter)
		}
	}
	l.Args = append(l.Args, word)
	return 1, nil
}
