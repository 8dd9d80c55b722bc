package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// daemonUser is whom the daemon runs as.
const daemonUser = "sallyport"

// user is an account of passwd(5), with the groups of group(5).
type user struct {
	uid, gid uint32
	groups   []uint32
}

// localUser reads the host's own files: the name service may be what is broken.
func (h *Host) localUser(name string) (user, bool) {
	var u user
	f, found := h.colons("/etc/passwd", name)
	if !found || len(f) < 4 {
		return u, false
	}
	u.uid, u.gid = number(f[2]), number(f[3])
	text, err := os.ReadFile(h.path("/etc/group"))
	if err != nil {
		return u, true
	}
	for line := range strings.Lines(string(text)) {
		g := strings.Split(strings.TrimSpace(line), ":")
		if len(g) >= 4 && strings.Contains(","+g[3]+",", ","+name+",") {
			u.groups = append(u.groups, number(g[2]))
		}
	}
	return u, true
}

// colons are the fields of the line that begins with a name.
func (h *Host) colons(file, name string) ([]string, bool) {
	text, err := os.ReadFile(h.path(file))
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); f[0] == name {
			return f, true
		}
	}
	return nil, false
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return ^uint32(0)
	}
	return uint32(n)
}

func modeOf(info fs.FileInfo) string { return fmt.Sprintf("%04o", info.Mode().Perm()) }

// owner says whose a file is, for people.
func (h *Host) owner(info fs.FileInfo) string {
	st, isUnix := info.Sys().(*syscall.Stat_t)
	if !isUnix {
		return "somebody"
	}
	text, err := os.ReadFile(h.path("/etc/passwd"))
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(line, ":"); len(f) > 2 && number(f[2]) == st.Uid {
				return f[0]
			}
		}
	}
	return fmt.Sprintf("uid %d", st.Uid)
}

// may tells whether the bits of a file let a user do want: 4 read, 2 write, 1 pass.
func may(u user, info fs.FileInfo, want fs.FileMode) bool {
	st, isUnix := info.Sys().(*syscall.Stat_t)
	bits := info.Mode().Perm()
	switch {
	case !isUnix:
		return true
	case st.Uid == u.uid:
		bits >>= 6
	case st.Gid == u.gid:
		bits >>= 3
	default:
		for _, g := range u.groups {
			if g == st.Gid {
				bits >>= 3
				break
			}
		}
	}
	return bits&want == want
}

// closedTo is the first folder on the way to a file that a user cannot pass.
func (h *Host) closedTo(u user, file string) (folder string, info fs.FileInfo) {
	for dir := "/"; ; {
		rest := strings.TrimPrefix(strings.TrimPrefix(file, dir), "/")
		if info, err := os.Stat(h.path(dir)); err == nil && !may(u, info, 1) && h.Root == "" {
			return dir, info
		}
		next, _, more := strings.Cut(rest, "/")
		if !more || next == "" {
			return "", nil
		}
		dir = filepath.Join(dir, next)
	}
}

// needed is a file that the daemon cannot do without.
type needed struct {
	path string
	want fs.FileMode // what the daemon does with it
	mode fs.FileMode // what it is made with
	own  bool        // it holds secrets, and is the daemon's alone
}

func (h *Host) neededFiles(c *config.Config) []needed {
	state := c.Paths.State
	all := []needed{
		{h.configFile(), 4, 0o644, false},
		{state, 7, 0o700, true},
		{c.Machine.Key, 4, 0o600, true},
		{filepath.Join(state, "seal.key"), 4, 0o600, true},
		{filepath.Join(state, "seal.tpm"), 4, 0o600, true},
		{c.Paths.Directory, 7, 0o755, false},
	}
	caches, _ := filepath.Glob(h.path(filepath.Join(state, "cache*.db"))) // a pattern of ours
	for _, path := range caches {
		all = append(all, needed{filepath.Join(state, filepath.Base(path)), 6, 0o600, true})
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.CA != "" {
			all = append(all, needed{p.CA, 4, 0o644, false})
		}
		if p.Token != "" {
			all = append(all, needed{p.Token, 4, 0o600, true})
		}
	}
	return all
}

func (h *Host) configFile() string {
	if h.ConfigPath == "" {
		return config.DefaultPath
	}
	return h.ConfigPath
}

// lookFiles checks that the daemon can use its files, and that nobody else can reach its
// secrets.
func lookFiles(_ context.Context, h *Host, c *config.Config) []report.Finding {
	u, there := h.localUser(daemonUser)
	var all []report.Finding
	if !there && h.Root == "" {
		all = append(all, trouble.UserMissing.Finding("USER", daemonUser, "WHAT", "the daemon"))
	}
	if c == nil {
		return all
	}
	var unseen []string
	for _, n := range h.neededFiles(c) {
		f, err := h.judgeNeeded(n, u, there, c)
		if errors.Is(err, fs.ErrPermission) {
			unseen = append(unseen, n.path)
		} else if f != nil {
			all = append(all, *f)
		}
	}
	all = append(all, h.judgeSpace(c)...)
	if len(unseen) > 0 {
		all = append(all, trouble.NotRoot.Finding("WHAT", strings.Join(unseen, ", ")))
	}
	if len(all) == 0 {
		all = append(all, ok("%s is the daemon's alone, and it can use its files", c.Paths.State))
	}
	return all
}

func (h *Host) judgeNeeded(n needed, u user, there bool, c *config.Config) (*report.Finding, error) {
	info, err := os.Stat(h.path(n.path))
	say := func(id trouble.ID, places ...string) (*report.Finding, error) {
		if info != nil {
			places = append(places, "MODE", modeOf(info), "OWNER", h.owner(info))
		}
		f := id.Finding(append(places, "FILE", n.path, "WANT", fmt.Sprintf("%04o", n.mode))...)
		return &f, nil
	}
	if there && h.Root == "" {
		if folder, at := h.closedTo(u, n.path); folder != "" && (err == nil || folder != c.Paths.State) {
			info = at
			want := fmt.Sprintf("%04o", at.Mode().Perm()|0o111)
			return say(trouble.FolderClosed, "FOLDER", folder, "WANT", want)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && n.path == c.Machine.Key:
		return say(trouble.FileMissing, "URL", c.Providers[0].URL.String())
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // made at the first start, or said by the check of the server
	case err != nil:
		return nil, err //nolint:wrapcheck // only its kind is looked at
	}
	st, isUnix := info.Sys().(*syscall.Stat_t)
	switch {
	case n.own && info.Mode().Perm()&^n.mode != 0:
		return say(trouble.FileOpen)
	case n.own && there && isUnix && st.Uid != u.uid && h.Root == "":
		return say(trouble.FileOwner)
	case there && h.Root == "" && !may(u, info, n.want) && n.path == h.configFile():
		return say(trouble.ConfigUnreadable)
	case there && h.Root == "" && !may(u, info, n.want) && n.path == c.Paths.Directory && isUnix && st.Uid != u.uid:
		return say(trouble.FileOwner)
	case there && h.Root == "" && !may(u, info, n.want), h.Root != "" && n.want&^(info.Mode().Perm()>>6) != 0:
		return say(trouble.FileUnreadable)
	}
	return nil, nil //nolint:nilnil // sound
}

// judgeSpace looks whether anything can be written.
func (h *Host) judgeSpace(c *config.Config) []report.Finding {
	var all []report.Finding
	seen := map[string]bool{}
	for _, folder := range []string{c.Paths.State, c.Paths.Directory} {
		var s unix.Statfs_t
		if err := unix.Statfs(h.path(folder), &s); err != nil {
			continue // missing: said elsewhere
		}
		mount := h.mountOf(folder)
		if seen[mount] {
			continue
		}
		seen[mount] = true
		switch {
		case s.Flags&unix.ST_RDONLY != 0:
			all = append(all, trouble.StateReadOnly.Finding("FOLDER", folder, "MOUNT", mount))
		case s.Blocks > 0 && s.Bavail*uint64(s.Bsize) < 1<<20, s.Files > 0 && s.Ffree < 8: //nolint:gosec // sizes are not negative
			all = append(all, trouble.DiskFull.Finding("FOLDER", folder, "MOUNT", mount))
		}
	}
	return all
}

// mountOf is the mount point that a folder lies below.
func (h *Host) mountOf(folder string) string {
	text, err := os.ReadFile(h.path("/proc/self/mounts"))
	best := "/"
	if err != nil {
		return best
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && len(f[1]) > len(best) && (folder == f[1] || strings.HasPrefix(folder, f[1]+"/")) {
			best = f[1]
		}
	}
	return best
}

var mistyped = regexp.MustCompile(`unknown key "([^"]+)"; did you mean "([^"]+)"\?`)

// lookConfig reads the configuration as the daemon does.
func lookConfig(ctx context.Context, h *Host, _ *config.Config) []report.Finding {
	path := h.configPath()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []report.Finding{trouble.ConfigMissing.Finding("FILE", h.configFile())}
	}
	c, err := config.Load(path)
	if errors.Is(err, fs.ErrPermission) {
		return []report.Finding{trouble.NotRoot.Finding("WHAT", h.configFile())}
	}
	if err != nil {
		return []report.Finding{h.judgeConfigError(err)}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return []report.Finding{trouble.ConfigWritable.Finding("FILE", h.configFile(), "MODE", modeOf(info))}
	}
	var all []report.Finding
	if started, running := h.startedAt(ctx, "sallyportd"); running && info.ModTime().After(started) {
		all = append(all, trouble.ConfigNewer.Finding("FILE", h.configFile()))
	}
	if p := guessable(c); p != nil {
		mend := `set user_name = "spn" there; it renames its people, see sallyportd.toml(5)`
		if !p.Kind.Named() {
			mend = "let it stand first in the file"
		}
		all = append(all, finding(report.Warning, mend,
			"people of %s have short names behind another realm: whoever chooses names there can choose one that sudoers(5) means for the other's", p.Realm))
	}
	if len(all) == 0 {
		all = append(all, ok("%s is sound", h.configFile()))
	}
	return all
}

func (h *Host) judgeConfigError(err error) report.Finding {
	why := err.Error()
	var at *config.Error
	m := mistyped.FindStringSubmatch(why)
	if !errors.As(err, &at) || at.Line == 0 || m == nil {
		return trouble.ConfigWrong.Finding("WHY", why)
	}
	key := m[1][strings.LastIndexByte(m[1], '.')+1:]
	return trouble.ConfigMistyped.Finding("WHY", why, "LINE", strconv.Itoa(at.Line), "KEY", key, "NEAR", m[2], "FILE", h.configFile())
}
