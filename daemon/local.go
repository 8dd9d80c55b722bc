package daemon

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

// localFiles knows the accounts and groups of this machine's own files. They
// are read directly, never through NSS, which would ask us. A file that changed
// is read again; one that is missing names nobody.
type localFiles struct {
	accounts, groups localFile
	subuids, subgids subFile
	ahead            ahead
}

func newLocalFiles(root string) *localFiles {
	return &localFiles{
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

// local is what the files have at one moment, and with it what realms that come
// first have: names of theirs are as good as local.
type local struct {
	accounts, groups *names
	ahead            ahead
	subuids, subgids subordinates
}

func (l *localFiles) now() (local, error) {
	a, err := l.accounts.current()
	if err != nil {
		return local{}, err
	}
	g, err := l.groups.current()
	if err != nil {
		return local{}, err
	}
	u, err := l.subuids.current()
	if err != nil {
		return local{}, err
	}
	s, err := l.subgids.current()
	if err != nil {
		return local{}, err
	}
	return local{a, g, l.ahead, u, s}, nil
}

// hides tells whether the account's name or uid is a local account's, or its gid
// a local group's: whoever has that gid would be a member. A realm that comes first
// has its names before this one. An id that is subordinate here is another's, too.
func (l local) hides(name identity.Name, uid, gid uint32) bool {
	return l.accounts.byName[string(name)] || l.accounts.byID[uid] || l.groups.byID[gid] || l.ahead.hasAccount(name) ||
		l.subuids.has(uid) || l.subgids.has(gid)
}

// hidesGroup tells whether the name or the gid is a local group's, or the gid is
// subordinate here.
func (l local) hidesGroup(g identity.Group) bool {
	return l.groups.byName[string(g.Name)] || l.groups.byID[g.GID] || l.ahead.hasGroup(g.Name) || l.ahead.claims(g.UUID) ||
		l.subgids.has(g.GID)
}

// accountNamed tells whether any of the spellings is a local account's name.
func (l *localFiles) accountNamed(spellings ...string) (bool, error) {
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
