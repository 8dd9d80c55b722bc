package desktop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// greeter is whose screen GDM's own is.
const greeter = "Debian-gdm"

// patience is how long a person looks at a screen before giving up.
const patience = 60 * time.Second

// display is shell that finds the newest X server of a user, and fails where there is none.
func display(user string) string {
	return `
		uid=$(id -u ` + user + `)
		x=$(find /tmp/.X11-unix -name 'X*' -uid "$uid" -printf '%T@ %f\n' | sort -n | tail -n 1 | sed 's/.* X//')
		[ -n "$x" ] || { echo "there is no screen of ` + user + `"; exit 1; }
		export DISPLAY=:$x XAUTHORITY=/run/user/$uid/gdm/Xauthority
	`
}

// look takes a picture of a user's screen and reads it.
func (s *seat) look(ctx context.Context, user string) (string, error) {
	out, err := s.In(ctx, display(user)+`
		timeout 10 import -window root /var/tmp/seen.png
		convert /var/tmp/seen.png -resize 300% -negate -colorspace Gray /var/tmp/read.png
		OMP_THREAD_LIMIT=1 tesseract /var/tmp/read.png - --psm 11 2>/dev/null`)
	if err != nil {
		return "", err
	}
	s.pictures++
	name := fmt.Sprintf("%03d.png", s.pictures)
	picture, err := os.ReadFile(s.Path("/var/tmp/seen.png"))
	if err != nil {
		return "", fmt.Errorf("look: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.album, name), picture, 0o600); err != nil {
		return "", fmt.Errorf("look: %w", err)
	}
	text := strings.Join(strings.Fields(out), " ") // lines as a person reads on
	if f, err := os.OpenFile(filepath.Join(s.album, "read.txt"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(f, "%s %s %s: %s\n", time.Now().Format("15:04:05"), name, user, text)
		_ = f.Close()
	}
	return text, nil
}

// shows tells whether one of the texts was read. Where letters stand far apart, OCR sees
// blanks, and where they are large, none: blanks do not count, nor do capitals.
func shows(screen string, texts ...string) bool {
	squeeze := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(squeeze(screen), squeeze(t)) })
}

// sees waits until one of the texts stands on the screen.
func (s *seat) sees(user string, texts ...string) string {
	s.t.Helper()
	return s.seesWithin(patience, user, texts...)
}

func (s *seat) seesWithin(limit time.Duration, user string, texts ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	var text, last string
	var err error
	for ctx.Err() == nil {
		if text, err = s.look(ctx, user); err == nil {
			if shows(text, texts...) {
				return text
			}
			last = text
		}
	}
	s.t.Fatalf("after %s %s's screen does not show %q but %q (%v); pictures are in %s", limit, user, texts, last, err, s.album)
	return ""
}

// types writes a line at a user's screen.
func (s *seat) types(user, line string) {
	s.t.Helper()
	s.in(display(user) + "xdotool type --delay 20 -- '" + line + "'; xdotool key Return")
}

func (s *seat) key(user, keys string) {
	s.t.Helper()
	s.in(display(user) + "xdotool key " + keys)
}
