package passwords

import (
	"bufio"
	"bytes"
	_ "embed" // common.txt
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:embed common.txt
var builtIn string

// Limits of an administrator's file.
const (
	maxFile = 64 << 20
	maxLine = 1024
)

// List are common passwords. Its methods can be called at the same time.
type List struct {
	path string

	mu      sync.Mutex
	own     map[string]struct{} // built in
	file    map[string]struct{} // nil while there is none, or it cannot be read
	size    int64
	changed time.Time
	fault   error
}

// Open makes the list of that file, or the built-in one where path is empty. A file that
// cannot be read is no error: see [List.State].
func Open(path string) *List {
	l := &List{path: path, own: make(map[string]struct{})}
	for _, word := range strings.Fields(builtIn) {
		l.own[fold(word)] = struct{}{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	return l
}

// State is how many passwords the list has, the file that they are of, if any, and why
// the built-in list holds in place of a file that was wanted.
func (l *List) State() (entries int, path string, fault error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	return len(l.words()), l.path, l.fault
}

func (l *List) words() map[string]struct{} {
	if l.file != nil {
		return l.file
	}
	return l.own
}

// Has tells whether a password counts as one of the list.
func (l *List) Has(password string) bool {
	l.mu.Lock()
	l.refresh()
	words := l.words()
	l.mu.Unlock()
	whole := fold(password)
	inner := strings.TrimFunc(whole, func(r rune) bool { return !unicode.IsLetter(r) })
	tries := []string{whole, unspelled(whole), strings.ReplaceAll(whole, " ", "")}
	if own := utf8.RuneCountInString(whole) - utf8.RuneCountInString(inner); own > 0 && own < ownPart {
		tries = append(tries, inner, unspelled(inner))
	}
	// "pa$$word1" and "p@ssw0rd!" lose a sign that stands for a letter at an end.
	if word := strings.TrimRightFunc(whole, func(r rune) bool {
		return unicode.IsDigit(r) || r == '!' || r == '.' || r == '?' || r == '#' || r == '*'
	}); len(whole)-len(word) < ownPart {
		tries = append(tries, unspelled(word))
	}
	for _, t := range tries {
		if _, is := words[t]; is {
			return true
		}
	}
	return false
}

// fold is the form that is compared.
func fold(word string) string { return strings.ToLower(norm.NFC.String(word)) }

// unspelled takes signs and digits for the letters that they look like.
func unspelled(word string) string {
	return strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t").Replace(word)
}

// refresh reads the file again if it is another than the one that was read.
func (l *List) refresh() {
	if l.path == "" {
		return
	}
	info, err := os.Stat(l.path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", l.path) // a pipe would be waited for
	}
	if err == nil && l.file != nil && info.Size() == l.size && info.ModTime().Equal(l.changed) {
		return
	}
	if err == nil {
		l.file, err = read(l.path)
	}
	if l.fault = err; err != nil {
		l.file = nil
		return
	}
	l.size, l.changed = info.Size(), info.ModTime()
}

func read(path string) (map[string]struct{}, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read common passwords: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read common passwords: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read common passwords: %s is larger than %d MiB", path, maxFile>>20)
	}
	words := make(map[string]struct{})
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if word := fold(strings.TrimRight(lines.Text(), "\r")); word != "" {
			words[word] = struct{}{}
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("read common passwords: %s: one password on each line, of at most %d bytes: %w", path, maxLine, err)
	case len(words) == 0:
		return nil, fmt.Errorf("read common passwords: %s is empty", path)
	}
	return words, nil
}
