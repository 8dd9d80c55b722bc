package directory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// before is a realm that comes first.
type before struct{ claimed uuid.UUID }

func (before) HasAccount(n identity.Name) bool { return n == "first" }
func (before) HasGroup(n identity.Name) bool   { return n == "firsts" }
func (b before) Claims(id uuid.UUID) bool      { return id == b.claimed }

// Promise 2.
func TestEachLocalNameAndIDHidesByItself(t *testing.T) {
	root, a := t.TempDir(), before{uuid.New()}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"passwd": "# ada:x:1:1\nlocal:x:1000:1000::/:/bin/sh\nshort\n:x:1001:1:\nodd:x:x:5:\nlocal:x:1002:5:\n",
		"group":  "staff:x:50:\nlonely\n",
		"subuid": "local:200000:65536\n",
		"subgid": "local:300000:65536\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := NewFiles(root, a)
	l, err := files.Now()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		name     identity.Name
		uid, gid uint32
		want     bool
	}{
		"nothing of it":        {"ada", 1900000100, 1900000100, false},
		"a local name":         {"local", 1900000100, 1900000100, true},
		"a line with no id":    {"short", 1900000100, 1900000100, true},
		"a local uid":          {"ada", 1000, 1900000100, true},
		"a uid without a name": {"ada", 1001, 1900000100, true},
		"a second line's uid":  {"ada", 1002, 1900000100, true},
		"a local group's gid":  {"ada", 1900000100, 50, true},
		"a name that is first": {"first", 1900000100, 1900000100, true},
		"a subordinate uid":    {"ada", 200000, 1900000100, true},
		"a subordinate gid":    {"ada", 1900000100, 365535, true},
		"beyond the ranges":    {"ada", 265536, 299999, false},
	} {
		if got := l.Hides(c.name, c.uid, c.gid); got != c.want {
			t.Errorf("an account with %s: %t", what, got)
		}
	}
	if !l.IsSubordinate(200000, 1) || !l.IsSubordinate(1, 300000) || l.IsSubordinate(300000, 200000) {
		t.Error("subordinate uids and gids are mixed up")
	}
	for what, c := range map[string]struct {
		group identity.Group
		want  bool
	}{
		"nothing of it":        {identity.Group{UUID: uuid.New(), Name: "crew", GID: 1900000001}, false},
		"a local name":         {identity.Group{UUID: uuid.New(), Name: "staff", GID: 1900000001}, true},
		"a line with no id":    {identity.Group{UUID: uuid.New(), Name: "lonely", GID: 1900000001}, true},
		"a local gid":          {identity.Group{UUID: uuid.New(), Name: "crew", GID: 50}, true},
		"a name that is first": {identity.Group{UUID: uuid.New(), Name: "firsts", GID: 1900000001}, true},
		"a uuid that is first": {identity.Group{UUID: a.claimed, Name: "crew", GID: 1900000001}, true},
		"a subordinate gid":    {identity.Group{UUID: uuid.New(), Name: "crew", GID: 300001}, true},
	} {
		if got := l.HidesGroup(c.group); got != c.want {
			t.Errorf("a group with %s: %t", what, got)
		}
	}
	for name, want := range map[string]bool{"staff": true, "Staff": true, "firsts": true, "crew": false} {
		if got := l.HasGroupName(name, identity.Name(identity.FoldName(name))); got != want {
			t.Errorf("a group called %s: %t", name, got)
		}
	}
	for name, want := range map[string]bool{"local": true, "odd": false, "none": false, "": false} {
		if got := files.IsUser(1000, []string{name}); got != want {
			t.Errorf("uid 1000 is %q: %t", name, got)
		}
	}
	if files.IsUser(1002, []string{"local"}) {
		t.Error("a second line of a name is believed")
	}
}

// Promise 2.
func TestALocalFileThatCannotBeReadIsAFault(t *testing.T) {
	for _, name := range []string{"passwd", "group", "subuid", "subgid"} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "etc", name), 0o755); err != nil { // a folder is no file
			t.Fatal(err)
		}
		if _, err := NewFiles(root, nil).Now(); err == nil {
			t.Errorf("%s: nobody can be told apart from a local account, and no fault is seen", name)
		}
	}
	if _, err := NewFiles(t.TempDir(), nil).Now(); err != nil {
		t.Errorf("no files at all: %v", err)
	}
}
