package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/terminal"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var errUsage = errors.New("usage")

// flags lets options stand before, between and after the names.
type flags struct {
	*flag.FlagSet
	names []string
}

func newFlags(verb string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(verb, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	return f
}

// parse wants exactly that many names.
func (f *flags) parse(args []string, want int) error { return f.parseRange(args, want, want) }

func (f *flags) parseRange(args []string, least, most int) error {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return flag.ErrHelp
			}
			return fmt.Errorf("%w of %s: %w", errUsage, f.Name(), err)
		}
		rest := f.Args()
		if len(rest) == 0 {
			break
		}
		f.names, args = append(f.names, rest[0]), rest[1:]
	}
	if len(f.names) < least || len(f.names) > most {
		return fmt.Errorf("%w of %s: %d names given", errUsage, f.Name(), len(f.names))
	}
	return nil
}

// helpOn is what the usage says about the command that args begin with.
func helpOn(args []string) string {
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	head, last, _ := strings.Cut(usage, "\n\n")
	list, last, _ := strings.Cut(last, "\n\nAll others but")
	var b strings.Builder
	taken := false
	for line := range strings.Lines(strings.ReplaceAll(list, "\n\n", "\n") + "\n") {
		if entry, begins := strings.CutPrefix(line, "  sallyport-server "); begins {
			taken = describes(strings.Fields(entry), words)
		}
		if taken {
			b.WriteString(line)
		}
	}
	if b.Len() == 0 {
		return usage
	}
	return head + "\n\n" + b.String() + "\nAll others but" + last
}

// describes tells whether a line of the usage is of a command: its first word, and the
// second where both have one.
func describes(entry, words []string) bool {
	for i := 0; i < min(len(words), 2) && i < len(entry); i++ {
		verb := strings.Trim(entry[i], "abcdefghijklmnopqrstuvwxyz-|") == ""
		if verb && !slices.Contains(strings.Split(entry[i], "|"), words[i]) {
			return false
		}
	}
	return len(words) > 0
}

func (f *flags) name(i int) string {
	if i < len(f.names) {
		return f.names[i]
	}
	return ""
}

// timeFlag reads a date or an RFC 3339 time.
func timeFlag(into **timestamppb.Timestamp) func(string) error {
	return func(s string) error {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
				*into = timestamppb.New(t)
				return nil
			}
		}
		return fmt.Errorf("%q is neither 2006-01-02 nor RFC 3339", s)
	}
}

// timeOrNone is timeFlag, and takes "none" for a limit that is taken away.
func timeOrNone(into **timestamppb.Timestamp) func(string) error {
	return func(s string) error {
		if s == "none" {
			*into = timestamppb.New(time.Unix(0, 0))
			return nil
		}
		return timeFlag(into)(s)
	}
}

// readLine reads one line from standard input; from a terminal with a prompt,
// and without echo when it is a secret.
func readLine(prompt string, secret bool) ([]byte, error) {
	if terminal.Is(os.Stdin) {
		if secret {
			b, err := terminal.ReadSecret(os.Stdin, os.Stderr, prompt+": ")
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", strings.ToLower(prompt), err)
			}
			return b, nil
		}
		fmt.Fprintf(os.Stderr, "%s: ", prompt)
	}
	b, err := bufio.NewReaderSize(io.LimitReader(os.Stdin, 64<<10), 64<<10).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", strings.ToLower(prompt), err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if line == "" {
		return nil, fmt.Errorf("nothing on standard input: give the %s there, on one line", strings.ToLower(prompt))
	}
	return []byte(line), nil
}
