// Package seat tells whether somebody sits at this machine: at its own screen or
// console, in a session of logind that is in front. It asks nothing over the bus and
// starts nothing: it reads the files that libsystemd's sd-login(3) reads, below
// /run/systemd (docs/decisions/0013-who-is-at-the-seat.md).
//
// Only an explicit yes is one: no file, a file that cannot be read or that is not
// understood, a session of another user, a remote one, one without a seat or one that
// is not in front is a no. It judges sessions; who may do what at a seat is for others.
package seat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Seats are the seats of this machine. The zero value is this machine's own.
type Seats struct {
	// Root is put before every path; "" is this machine.
	Root string
}

// maxSession bounds a session's id, as the PAM module does.
const maxSession = 64

// Session tells whether the user sits there in this very session: it is theirs, is in
// front on a seat, and was not begun from another machine.
func (s Seats) Session(id string, uid uint32) (bool, error) {
	if !sound(id) {
		return false, nil
	}
	f, err := s.read("sessions", id)
	if err != nil {
		return false, err
	}
	return f["UID"] == strconv.FormatUint(uint64(uid), 10) && f["ACTIVE"] == "1" && f["REMOTE"] == "0" && f["SEAT"] != "" &&
		(f["CLASS"] == "user" || f["CLASS"] == "user-early" || f["CLASS"] == "user-light"), nil
}

// LedBy tells whether that process leads the session, which a service began for the user
// from another machine.
func (s Seats) LedBy(id string, uid, leader uint32, service string) (bool, error) {
	if !sound(id) {
		return false, nil
	}
	f, err := s.read("sessions", id)
	if err != nil {
		return false, err
	}
	return f["UID"] == strconv.FormatUint(uint64(uid), 10) && f["LEADER"] == strconv.FormatUint(uint64(leader), 10) && f["SERVICE"] == service && f["REMOTE"] == "1" &&
		(f["CLASS"] == "user" || f["CLASS"] == "user-early" || f["CLASS"] == "user-light"), nil
}

// User tells whether the user sits there in any session: for what a user manager
// started (user@.service), which is in none.
func (s Seats) User(uid uint32) (bool, error) {
	f, err := s.read("users", strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return false, err
	}
	for id := range strings.FieldsSeq(f["ACTIVE_SESSIONS"]) {
		if at, err := s.Session(id, uid); at || err != nil {
			return at, err
		}
	}
	return false, nil
}

// read takes a file of "NAME=value" lines apart. One that does not exist is empty.
func (s Seats) read(folder, name string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join("/", s.Root, "run/systemd", folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at logind's %s: %w", folder, err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "="); found {
			fields[key] = value
		}
	}
	return fields, nil
}

// sound tells whether a text can be a session's id: it becomes the name of a file.
func sound(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return id != "" && len(id) <= maxSession
}

// SessionOf finds logind's session in the text of /proc/PID/cgroup, "" when there is
// none. pam/module does the same in C.
func SessionOf(cgroup string) string {
	for line := range strings.SplitSeq(cgroup, "\n") {
		hierarchy, rest, found := strings.Cut(line, ":")
		named, path, ok := strings.Cut(rest, ":")
		if !found || !ok || (hierarchy != "0" || named != "") && named != "name=systemd" {
			continue
		}
		for part := range strings.SplitSeq(path, "/") {
			id, scope := strings.CutSuffix(part, ".scope")
			id, session := strings.CutPrefix(id, "session-")
			if scope && session && sound(id) {
				return id
			}
		}
	}
	return ""
}
