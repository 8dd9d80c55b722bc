package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Files knows the accounts and groups of this machine's own files. They
// are read directly, never through NSS, which would ask us. A file that changed
// is read again; one that is missing names nobody.
type Files struct {
	accounts, groups localFile
	subuids, subgids subFile
	ahead            Ahead
}

// NewFiles reads the files under etc in a root. What realms that come first have
// counts as local.
func NewFiles(root string, a Ahead) *Files {
	if a == nil {
		a = foremost{}
	}
	return &Files{
		ahead:    a,
		accounts: localFile{path: filepath.Join(root, "etc/passwd")},
		groups:   localFile{path: filepath.Join(root, "etc/group")},
		subuids:  subFile{path: filepath.Join(root, "etc/subuid")},
		subgids:  subFile{path: filepath.Join(root, "etc/subgid")},
	}
}

// names is the content of passwd(5) or group(5) that matters here.
type names struct {
	byName map[string]bool
	byID   map[uint32]bool
	idOf   map[string]uint32 // of the first line with that name, which glibc takes
}

type localFile struct {
	path string

	mu   sync.Mutex
	stat stamp
	last *names
}

type stamp struct {
	mod  time.Time
	size int64
	ino  uint64
}

// current returns the file's content. A file that is there and cannot be read
// is an error: then nobody can be told apart from a local account.
func (f *localFile) current() (*names, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.last = nil
		return &names{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("local accounts: %w", err)
	}
	now := stampOf(info)
	// A file that was written within the clock's grain may change again without
	// a new stamp.
	if f.last != nil && now == f.stat && time.Since(now.mod) > time.Second {
		return f.last, nil
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("local accounts: %w", err)
	}
	f.stat, f.last = now, parseNames(b)
	return f.last, nil
}

// parseNames reads passwd(5) and group(5) alike: the name is the first field,
// the id the third. It is generous: a line that glibc would skip reserves its
// name all the same, which only ever refuses more.
func parseNames(b []byte) *names {
	n := &names{byName: make(map[string]bool), byID: make(map[uint32]bool), idOf: make(map[string]uint32)}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		fields := bytes.SplitN(line, []byte{':'}, 4)
		known := n.byName[string(fields[0])]
		if len(fields[0]) > 0 {
			n.byName[string(fields[0])] = true
		}
		if len(fields) < 3 {
			continue
		}
		if id, err := strconv.ParseUint(string(bytes.TrimSpace(fields[2])), 10, 32); err == nil {
			n.byID[uint32(id)] = true
			if !known {
				n.idOf[string(fields[0])] = uint32(id)
			}
		}
	}
	return n
}

// Local is what the files have at one moment, and with it what realms that come
// first have: names of theirs are as good as local.
type Local struct {
	accounts, groups *names
	ahead            Ahead
	subuids, subgids subordinates
}

// Now is what the files have at this moment. One that is there and cannot be read is an
// error: then nobody can be told apart from a local account.
func (l *Files) Now() (Local, error) {
	a, err := l.accounts.current()
	if err != nil {
		return Local{}, err
	}
	g, err := l.groups.current()
	if err != nil {
		return Local{}, err
	}
	u, err := l.subuids.current()
	if err != nil {
		return Local{}, err
	}
	s, err := l.subgids.current()
	if err != nil {
		return Local{}, err
	}
	return Local{a, g, l.ahead, u, s}, nil
}

// Hides tells whether the account's name or uid is a local account's, or its gid
// a local group's: whoever has that gid would be a member. A realm that comes first
// has its names before this one. An id that is subordinate here is another's, too.
func (l Local) Hides(name identity.Name, uid, gid uint32) bool {
	return l.accounts.byName[string(name)] || l.accounts.byID[uid] || l.groups.byID[gid] || l.ahead.HasAccount(name) ||
		l.subuids.has(uid) || l.subgids.has(gid)
}

// HidesPacked is hides for an account of the directory.
func (l Local) HidesPacked(p *Packed) bool { return l.Hides(p.Name(), p.uid, p.gid) }

// HidesGroup tells whether the name or the gid is a local group's, or the gid is
// subordinate here.
func (l Local) HidesGroup(g identity.Group) bool {
	return l.groups.byName[string(g.Name)] || l.groups.byID[g.GID] || l.ahead.HasGroup(g.Name) || l.ahead.Claims(g.UUID) ||
		l.subgids.has(g.GID)
}

// AccountNamed tells whether any of the spellings is a local account's name.
func (l *Files) AccountNamed(spellings ...string) (bool, error) {
	n, err := l.accounts.current()
	if err != nil {
		return false, err
	}
	for _, s := range spellings {
		if n.byName[s] {
			return true, nil
		}
	}
	return false, nil
}

// IsUser tells whether the uid is that of one of these local users. Files that cannot be
// read name nobody.
func (l *Files) IsUser(uid uint32, names []string) bool {
	here, err := l.accounts.current()
	if err != nil {
		return false
	}
	for _, name := range names {
		if of, known := here.idOf[name]; known && of == uid {
			return true
		}
	}
	return false
}

// Folder is where the files are.
func (l *Files) Folder() string { return filepath.Dir(l.accounts.path) }

// Paths are those of the files.
func (l *Files) Paths() []string {
	return []string{l.accounts.path, l.groups.path, l.subuids.path, l.subgids.path}
}

// IsSubordinate tells whether the uid or the gid lies in a range of /etc/subuid or
// /etc/subgid.
func (l Local) IsSubordinate(uid, gid uint32) bool { return l.subuids.has(uid) || l.subgids.has(gid) }

// IsAhead tells whether a realm that comes first has an account of that name.
func (l Local) IsAhead(name identity.Name) bool { return l.ahead.HasAccount(name) }

// HasGroupName tells whether a local group, or one of a realm that comes first, has the
// name, as it was typed or as it is meant.
func (l Local) HasGroupName(typed string, name identity.Name) bool {
	return l.groups.byName[typed] || l.groups.byName[string(name)] || l.ahead.HasGroup(name)
}

// HasGID tells whether a local group has the number.
func (l Local) HasGID(gid uint32) bool { return l.groups.byID[gid] }

// GidOf is the number of the local group of that name.
func (l Local) GidOf(name string) (uint32, bool) {
	gid, ok := l.groups.idOf[name]
	return gid, ok
}

// EachID calls f with every number of a local account or group.
func (l Local) EachID(f func(uint32)) {
	for _, n := range []*names{l.accounts, l.groups} {
		for id := range n.byID {
			f(id)
		}
	}
}
