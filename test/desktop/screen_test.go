package desktop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long a person looks at a screen before giving up.
const patience = 60 * time.Second

// look takes a picture of a user's screen and reads it.
func (s *seat) look(ctx context.Context, user string) (string, error) {
	if s.manager.terminal != 0 {
		return readTerminal(s.manager.terminal)
	}
	if _, err := s.In(ctx, s.manager.display(user)+"timeout 10 import -window root /var/tmp/seen.png"); err != nil {
		return "", err
	}
	picture, err := os.ReadFile(s.Path("/var/tmp/seen.png"))
	if err != nil {
		return "", fmt.Errorf("look: %w", err)
	}
	return s.read(ctx, user, "", picture)
}

// read keeps a picture, and returns what is written in it.
func (s *seat) read(ctx context.Context, user, at string, picture []byte) (string, error) {
	s.pictures++
	name := fmt.Sprintf("%03d%s.png", s.pictures, at)
	if err := os.WriteFile(filepath.Join(s.album, name), picture, 0o600); err != nil {
		return "", fmt.Errorf("look: %w", err)
	}
	large, err := readable(picture)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.Path("/var/tmp/large.png"), large, 0o600); err != nil {
		return "", fmt.Errorf("look: %w", err)
	}
	out, err := s.In(ctx, "OMP_THREAD_LIMIT=1 tesseract /var/tmp/large.png - --psm 11 2>/dev/null")
	if err != nil {
		return "", err
	}
	text := strings.Join(strings.Fields(out), " ") // lines as a person reads on
	if f, err := os.OpenFile(filepath.Join(s.album, "read.txt"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(f, "%s %s %s: %s\n", time.Now().Format("15:04:05"), name, user, text)
		_ = f.Close()
	}
	return text, nil
}

// shows tells whether one of the texts was read. Where letters stand far apart, OCR sees
// blanks, and where they are large, none: blanks do not count, nor do capitals, nor full stops,
// which it misses. Nor does the first letter: in an entry the cursor stands on it.
func shows(screen string, texts ...string) bool {
	squeeze := func(s string) string {
		return strings.ToLower(strings.ReplaceAll(strings.Join(strings.Fields(s), ""), ".", ""))
	}
	return slices.ContainsFunc(texts, func(t string) bool {
		return strings.Contains(squeeze(screen), strings.TrimPrefix(squeeze(t), squeeze(t)[:min(1, len(squeeze(t)))]))
	})
}

// sees waits until one of the texts stands on the screen.
func (s *seat) sees(user string, texts ...string) {
	s.t.Helper()
	s.watches(user, fmt.Sprintf("%q", texts), func(screen string) bool { return shows(screen, texts...) })
}

// watches waits until the screen is as wanted.
func (s *seat) watches(user, what string, wanted func(screen string) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var last string
	for ctx.Err() == nil {
		text, err := s.look(ctx, user)
		if err == nil && wanted(text) {
			return
		}
		if ctx.Err() == nil {
			last = fmt.Sprintf("%q (%v)", text, err)
		}
	}
	s.t.Fatalf("after %s the screen of %s is not %s but %s; its pictures are in %s", patience, user, what, last, s.album)
}

// types writes a line at a user's screen.
func (s *seat) types(user, line string) {
	s.t.Helper()
	if s.manager.terminal != 0 {
		must(s.t, typeAtTerminal(s.manager.terminal, line+"\n"))
		return
	}
	s.in(s.manager.display(user) + "xdotool type --delay 20 -- '" + line + "'; xdotool key Return")
}

func (s *seat) key(user, keys string) {
	s.t.Helper()
	s.in(s.manager.display(user) + "xdotool key " + keys)
}

// signIn types a name, and what is asked for then, at the greeter.
func (s *seat) signIn(name string, answers ...string) {
	s.t.Helper()
	s.asks(s.manager.question)
	s.types(greeter, name)
	for i := 0; i+1 < len(answers); i += 2 {
		s.asks(answers[i])
		s.types(greeter, answers[i+1])
	}
}

// desktop waits until the person's desktop is there.
func (s *seat) desktop(user string) {
	s.t.Helper()
	s.untilIn("loginctl list-sessions --no-legend | grep -w " + user + " | grep -w seat0")
	if !s.manager.gnome {
		s.sees(user, user+"@desk")
		return
	}
	s.sees(user, "Type to search")
	s.key(user, "Escape") // GNOME begins with its overview
	s.watches(user, "the desktop", func(screen string) bool {
		return strings.Contains(screen, ":") && !shows(screen, "Type to search")
	})
}

// logOut ends a person's session as its menu does, and waits for the greeter.
func (s *seat) logOut(user string) {
	s.t.Helper()
	if !s.manager.gnome {
		s.in("pkill -x -u " + user + " openbox")
	} else {
		s.in(`
		uid=$(id -u ` + user + `)
		runuser -u ` + user + ` -- env XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus \
			gnome-session-quit --logout --no-prompt`)
	}
	s.gone(user)
	s.sees(greeter, s.manager.question)
}

// gone waits until a session has been closed. logind waits for what was left running in it, and we do not.
func (s *seat) gone(user string) {
	s.t.Helper()
	sessions := "loginctl list-sessions --no-legend | awk '$3 == \"" + user + "\"'"
	s.untilIn(`
		for n in $(` + sessions + ` | awk '{ print $1 }'); do
			if loginctl show-session -p State "$n" | grep -qx State=closing; then loginctl kill-session "$n"; fi
		done
		! ` + sessions + ` | grep -w seat0`)
}

// frame is what a screen showed from some time on.
type frame struct {
	at   time.Duration
	text string
}

// film types a line, and takes some pictures a second of the middle of the screen from before it
// for so long. It reads each that differs from the one before, until it has seen enough. A screen that
// goes away meanwhile, as the greeter's does at a login, is filmed until then.
func (s *seat) film(user, line string, length time.Duration, enough func([]frame) bool) []frame {
	s.t.Helper()
	s.in(s.manager.display(user) + fmt.Sprintf(`
		rm -rf /var/tmp/film; mkdir /var/tmp/film; cd /var/tmp/film
		xdotool type --delay 20 -- '%s'
		now() { date +%%s%%3N; }
		began=$(now)
		{ until at=$(($(now) - began)); [ -e enough ] || [ "$at" -gt %d ]; do
			sleep 0.15
			timeout 5 import -window root -crop 640x400+192+230 ppm:next || continue
			mv next "$(printf %%06d "$at").ppm"
		done; touch over; } >/dev/null 2>&1 &
		xdotool key Return`, line, length.Milliseconds()))
	defer s.in("touch /var/tmp/film/enough")
	var frames []frame
	var last []byte
	for seen := ""; ; {
		next := s.filmed(seen)
		if next == "" {
			return frames
		}
		seen = next
		raw, err := os.ReadFile(next)
		must(s.t, err)
		if bytes.Equal(raw, last) {
			continue
		}
		last = raw
		if frames = append(frames, s.frameOf(user, strings.TrimSuffix(filepath.Base(next), ".ppm"))); enough(frames) {
			return frames
		}
	}
}

// filmed waits for the picture after the one that was seen, and is empty where there is none.
func (s *seat) filmed(seen string) (next string) {
	s.t.Helper()
	s.until(func() error {
		_, over := os.Stat(s.Path("/var/tmp/film/over"))
		list, err := filepath.Glob(s.Path("/var/tmp/film/*.ppm"))
		list = slices.DeleteFunc(list, func(name string) bool { return name <= seen })
		if len(list) > 0 {
			next = list[0]
			return err
		}
		return over
	})
	return next
}

// frameOf reads a picture of a film.
func (s *seat) frameOf(user, at string) frame {
	s.t.Helper()
	ms, err := strconv.Atoi(at)
	must(s.t, err)
	s.in("cd /var/tmp/film; convert " + at + ".ppm " + at + ".png")
	picture, err := os.ReadFile(s.Path("/var/tmp/film/" + at + ".png"))
	must(s.t, err)
	text, err := s.read(s.t.Context(), user, "-film-"+at, picture)
	must(s.t, err)
	return frame{time.Duration(ms) * time.Millisecond, text}
}
