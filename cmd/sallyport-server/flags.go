package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/terminal"
)

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
