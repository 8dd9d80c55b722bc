package sessions

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/seat"
)

// What the terminals of a session are told.
const (
	withdrawnText = "sallyport: the grant that this ssh session came by was withdrawn. The session goes on; a new login takes a new request."
	endedText     = "sallyport: the grant that this ssh session came by was withdrawn, and the session ends now."
)

// Host is a machine whose sessions are told or ended.
type Host struct {
	// Root is put before every path; "" is this machine.
	Root string
	// Told is the folder that remembers who was told.
	Told string
	// Stop ends a unit of systemd and all that runs in it; Log says what was done.
	Stop func(ctx context.Context, unit string) error
	Log  func(format string, args ...any)
}

// Do carries out a list. What it is not good for is left alone: most often the session is
// over.
func (h Host) Do(ctx context.Context, list []Order) error {
	var all error
	for _, o := range list {
		id, why := h.session(o)
		if why != "" {
			h.Log("process %d is left alone: %s", o.PID, why)
			continue
		}
		if o.End {
			h.tell(id, endedText)
			h.Log("session %s of uid %d is ended: its grant was withdrawn", id, o.UID)
			all = errors.Join(all, h.Stop(ctx, "session-"+id+".scope"))
			continue
		}
		if h.tellOnce(o, id) {
			h.Log("session %s of uid %d is told that its grant was withdrawn", id, o.UID)
		}
	}
	return all
}

// session finds the session of an order, or says why there is none.
func (h Host) session(o Order) (id, why string) {
	p, err := h.process(o.PID)
	if err != nil || p.started != o.Started {
		return "", "it is over"
	}
	if p.owner != 0 {
		return "", "it is not root's"
	}
	if p.session == "" {
		return "", "it is in no session of logind"
	}
	if led, err := (seat.Seats{Root: h.Root}).LedBy(p.session, o.UID, o.PID, "sshd"); err != nil || !led {
		return "", "it leads no session of sshd for that uid"
	}
	if local, err := h.local(o.UID); err != nil || local {
		return "", "the uid is one of passwd(5), or that cannot be read"
	}
	return p.session, ""
}

// process is what proc(5) says of one.
type process struct {
	started  uint64
	terminal uint64
	owner    uint32
	session  string // of logind
}

func (h Host) process(pid uint32) (p process, err error) {
	dir := filepath.Join("/", h.Root, "proc", strconv.FormatUint(uint64(pid), 10))
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, err //nolint:wrapcheck // names the file
	}
	// Fields behind the name, which may hold anything: the third is the first of them.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return p, fmt.Errorf("%s/stat: %w", dir, unix.EINVAL)
	}
	p.terminal, err = strconv.ParseUint(fields[4], 10, 32)
	if err == nil {
		p.started, err = strconv.ParseUint(fields[19], 10, 64)
	}
	if err != nil {
		return p, fmt.Errorf("%s/stat: %w", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return p, err //nolint:wrapcheck // names the file
	}
	st, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return p, fmt.Errorf("%s: %w", dir, unix.EINVAL)
	}
	p.owner = st.Uid
	cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	p.session = seat.SessionOf(string(cgroup))
	return p, err //nolint:wrapcheck // names the file
}

// local tells whether the uid is one of passwd(5).
func (h Host) local(uid uint32) (bool, error) {
	f, err := os.Open(filepath.Join("/", h.Root, "etc/passwd"))
	if err != nil {
		return false, err //nolint:wrapcheck // names the file
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > 2 && fields[2] == strconv.FormatUint(uint64(uid), 10) {
			return true, nil
		}
	}
	return false, lines.Err() //nolint:wrapcheck // of a file that was opened
}

// tellOnce tells a session, unless it was told before.
func (h Host) tellOnce(o Order, id string) bool {
	mark := filepath.Join(h.Told, fmt.Sprintf("%d-%d", o.PID, o.Started))
	f, err := os.OpenFile(mark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_ = f.Close() // it is empty
	h.tell(id, withdrawnText)
	return true
}

// tell writes a line on each terminal of the session. Whom it does not reach is not there.
func (h Host) tell(id, text string) {
	all, err := os.ReadDir(filepath.Join("/", h.Root, "proc"))
	if err != nil {
		return
	}
	var told []uint64
	for _, entry := range all {
		pid, err := strconv.ParseUint(entry.Name(), 10, 31)
		if err != nil {
			continue
		}
		p, err := h.process(uint32(pid))
		if err != nil || p.session != id || p.terminal == 0 || slices.Contains(told, p.terminal) {
			continue
		}
		told = append(told, p.terminal)
		h.write(p.terminal, text)
	}
}

// write writes a line on the pseudo terminal of that device number.
func (h Host) write(device uint64, text string) {
	path := filepath.Join("/", h.Root, "dev/pts", strconv.FormatUint(uint64(unix.Minor(device)), 10))
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() //nolint:errcheck // nothing is kept of it
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == device {
		_, _ = unix.Write(fd, []byte("\r\n\a"+text+"\r\n")) // a terminal that takes nothing is not read
	}
}
