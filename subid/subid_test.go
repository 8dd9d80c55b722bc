package subid_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/subid"
)

const (
	ada, bob  = 1879048192, 1879048193
	first     = 600113152
	localLine = "local:100000:65536\n"
)

func at(uid, start uint32) identity.SubIDs { return identity.SubIDs{UID: uid, Start: start} }

// host lays out the four files; "-" leaves one out.
func host(t *testing.T, files map[string]string) subid.Host {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"passwd": "root:x:0:0::/:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n", "group": "root:x:0:\nlocal:x:1000:\n",
		"subuid": localLine, "subgid": localLine,
	}
	for name, text := range files {
		all[name] = text
	}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range all {
		if text == "-" {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return subid.Host{Root: root}
}

func read(t *testing.T, h subid.Host, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Root, "etc", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// soon is how long the tests wait for a lock that nobody gives back.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func line(s identity.SubIDs) string { return fmt.Sprintf("%d:%d:65536\n", s.UID, s.Start) }

// Promise subids-files.
func TestARangeIsAddedOnceAndOthersStay(t *testing.T) {
	for name, c := range map[string]struct{ was, want string }{
		"after others":            {localLine, localLine + line(at(ada, first))},
		"to an empty file":        {"", line(at(ada, first))},
		"after an unended line":   {"local:100000:65536", localLine + line(at(ada, first))},
		"after lines that are no": {"# a comment\n\nrubbish\nlocal:x:1\n", "# a comment\n\nrubbish\nlocal:x:1\n" + line(at(ada, first))},
		"not where it is":         {line(at(ada, first)) + localLine, line(at(ada, first)) + localLine},
		"not beside another of theirs": {
			"1879048192:200000:10\n", "1879048192:200000:10\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, map[string]string{"subuid": c.was, "subgid": c.was})
			if name == "not beside another of theirs" {
				// It is the owner's, and no reason to give more.
				c.want = c.was
			}
			for range 2 {
				if _, err := h.Add(soon(t), []identity.SubIDs{at(ada, first)}); err != nil {
					t.Fatal(err)
				}
				for _, file := range []string{"subuid", "subgid"} {
					if got := read(t, h, file); got != c.want {
						t.Errorf("%s is %q, want %q", file, got, c.want)
					}
				}
			}
			if left, err := filepath.Glob(filepath.Join(h.Root, "etc", "*sallyport*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if left, err := filepath.Glob(filepath.Join(h.Root, "etc", "sub*.lock")); err != nil || len(left) > 0 {
				t.Errorf("locked still: %v, %v", left, err)
			}
		})
	}
}

// Promise subids-files.
func TestWhatTheListMustNotSayIsRefused(t *testing.T) {
	good := at(bob, 700000000)
	for name, c := range map[string]struct {
		files map[string]string
		list  []identity.SubIDs
		want  string
	}{
		"root":                        {list: []identity.SubIDs{at(0, first)}, want: "system accounts"},
		"a system account":            {list: []identity.SubIDs{at(999, first)}, want: "system accounts"},
		"a local account":             {list: []identity.SubIDs{at(1000, first)}, want: "uid 1000 is a local account"},
		"nobody":                      {list: []identity.SubIDs{at(65534, first)}, want: "dynamic and nobody"},
		"ids of the system":           {list: []identity.SubIDs{at(ada, 0)}, want: "as subordinate ids"},
		"ids from 65535":              {list: []identity.SubIDs{at(ada, 65535)}, want: "as subordinate ids"},
		"ids beyond 2^31":             {list: []identity.SubIDs{at(ada, 1<<31-65536)}, want: "as subordinate ids"},
		"ids that wrap":               {list: []identity.SubIDs{at(ada, 1<<32-1)}, want: "as subordinate ids"},
		"a local user's range":        {list: []identity.SubIDs{at(ada, 100000)}, want: "overlaps the line 100000+65536"},
		"the end of it":               {list: []identity.SubIDs{at(ada, 165535)}, want: "overlaps the line 100000+65536"},
		"a line of subgid alone":      {files: map[string]string{"subgid": "x:600113000:200\n"}, list: []identity.SubIDs{at(ada, first)}, want: "overlaps the line 600113000+200"},
		"a line by its own number":    {files: map[string]string{"subgid": "1879048192:600113000:200\n"}, list: []identity.SubIDs{at(ada, first)}, want: "overlaps the line 600113000+200"},
		"another's line, same range":  {files: map[string]string{"subuid": "1879048999:600113152:65536\n"}, list: []identity.SubIDs{at(ada, first)}, want: "overlaps the line 600113152+65536"},
		"a large line before small":   {files: map[string]string{"subuid": "x:500000000:200000000\nx:500000001:1\n"}, list: []identity.SubIDs{at(ada, first)}, want: "overlaps the line 500000000+200000000"},
		"a local account's uid in it": {files: map[string]string{"passwd": "x:x:600113200:1::/:/bin/sh\n"}, list: []identity.SubIDs{at(ada, first)}, want: "id of a local account or group"},
		"a local group's gid in it":   {files: map[string]string{"group": "x:x:600178687:\n"}, list: []identity.SubIDs{at(ada, first)}, want: "id of a local account or group"},
		"one of the people in it":     {list: []identity.SubIDs{at(ada, first), at(first+5, 800000000)}, want: "uid of one of the people"},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, c.files)
			before := read(t, h, "subuid")
			p, err := h.Add(soon(t), append(c.list, good))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Refused) == 0 || !strings.Contains(p.Refused[0].Why, c.want) {
				t.Errorf("refused: %v, want %q", p.Refused, c.want)
			}
			got := strings.TrimPrefix(read(t, h, "subuid"), before)
			if strings.Contains(got, line(c.list[0])) || !strings.Contains(got, line(good)) {
				t.Errorf("added %q", got)
			}
		})
	}
	t.Run("overlaps and owners within the list", func(t *testing.T) {
		h := host(t, nil)
		list := []identity.SubIDs{at(ada, first), at(bob, first+65535), at(bob+1, 700000000), at(bob+1, 800000000), good, at(bob+2, 900000000)}
		list[4].UID = bob + 3
		list[4].Start = 650000000
		p, err := h.Add(soon(t), list)
		if err != nil || len(p.Refused) != 4 {
			t.Fatalf("%v, %v", p.Refused, err)
		}
		if got, want := read(t, h, "subuid"), localLine+line(list[4])+line(list[5]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Promise subids-files.
func TestAFileThatIsNotThereIsNotMade(t *testing.T) {
	h := host(t, map[string]string{"subuid": "-", "subgid": "-"})
	p, err := h.Add(soon(t), []identity.SubIDs{at(ada, first)})
	if err != nil || len(p.Absent) != 2 || p.Missing() != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := os.Stat(filepath.Join(h.Root, "etc/subuid")); err == nil {
		t.Error("it was made")
	}
}

// Promise subids-files.
func TestModeAndOwnerOfTheFilesStay(t *testing.T) {
	h := host(t, nil)
	path := filepath.Join(h.Root, "etc/subuid")
	if err := errors.Join(os.Chmod(path, 0o640), os.Chown(path, 12, 34)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Add(soon(t), []identity.SubIDs{at(ada, first)}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&0o777 != 0o640 || st.Uid != 12 || st.Gid != 34 {
		t.Errorf("%o %d:%d, %v", st.Mode, st.Uid, st.Gid, err)
	}
}

// Promise subids-files.
func TestTheLocksOfUseraddAreKept(t *testing.T) {
	list := []identity.SubIDs{at(ada, first)}
	t.Run("another holds subuid.lock", func(t *testing.T) {
		h := host(t, nil)
		lock := filepath.Join(h.Root, "etc/subuid.lock")
		if err := os.WriteFile(lock, []byte(strconv.Itoa(os.Getpid())+"\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Add(soon(t), list); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if read(t, h, "subuid") != localLine || read(t, h, "subuid.lock") == "" {
			t.Error("the lock was not kept")
		}
	})
	t.Run("one whose holder is gone does not count", func(t *testing.T) {
		h := host(t, nil)
		gone := exec.Command("true")
		if err := gone.Run(); err != nil {
			t.Fatal(err)
		}
		lock := filepath.Join(h.Root, "etc/subgid.lock")
		if err := os.WriteFile(lock, []byte(strconv.Itoa(gone.Process.Pid)+"\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Add(soon(t), list); err != nil || read(t, h, "subgid") == localLine {
			t.Errorf("not added: %v", err)
		}
	})
	t.Run("one that cannot be read counts", func(t *testing.T) {
		h := host(t, nil)
		if err := os.WriteFile(filepath.Join(h.Root, "etc/subuid.lock"), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Add(soon(t), list); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another holds .pwd.lock", func(t *testing.T) {
		h := host(t, nil)
		f, err := os.Create(filepath.Join(h.Root, "etc/.pwd.lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Add(soon(t), list); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Promise subids-files.
func TestOnlyAPlainFileIsReadAndWritten(t *testing.T) {
	h := host(t, map[string]string{"other": "secret\n", "subuid": "-"})
	etc := filepath.Join(h.Root, "etc")
	if err := errors.Join(os.Symlink("other", filepath.Join(etc, "list")), unix.Mkfifo(filepath.Join(etc, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(etc, "sound"), []byte(line(at(ada, first))), 0o600), os.Symlink("sound", filepath.Join(etc, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"list", "link", "fifo", "none", "."} {
		if list, err := subid.Read(filepath.Join(etc, name)); err == nil {
			t.Errorf("%s: %v", name, list)
		}
	}
	if _, err := subid.Read(filepath.Join(etc, "other")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if err := os.Symlink("other", filepath.Join(etc, "subuid")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Add(soon(t), []identity.SubIDs{at(ada, first)}); err == nil || read(t, h, "other") != "secret\n" {
		t.Errorf("a link was followed: %v", err)
	}
}

// Promise subids-files.
func TestAListIsReadAsItWasWrittenOrNotAtAll(t *testing.T) {
	list := []identity.SubIDs{at(ada, first), at(bob, first+65536)}
	if got, err := subid.Unmarshal(subid.Marshal(list)); err != nil || !slices.Equal(got, list) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{
		"1:2\n", "1:2:3\n", "x:600113152:65536\n", "1000:600113152:65536", "+1000:600113152:65536\n", "01000:600113152:65536\n",
		"1000:600113152:65536\n\n", "-1:600113152:65536\n", "0:600113152:65536\n", "4294967296:600113152:65536\n", "1000:600113152:65536:\n",
		strings.Repeat("#", subid.MaxList+1),
	} {
		if got, err := subid.Unmarshal([]byte(text)); err == nil {
			t.Errorf("%.40q: %v", text, got)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte(localLine+"1879048192:600113152:65536\n"), []byte("1879048192:600113152:65536\n1879048193:600178688:65536\n"))
	f.Add([]byte("x:4294967295:4294967295\n"), []byte("1000:4294967295:65536\n"))
	f.Fuzz(func(t *testing.T, file, text []byte) {
		list, err := subid.Unmarshal(text)
		if err != nil {
			return
		}
		h := host(t, map[string]string{"subuid": string(file)})
		if _, err := h.Add(soon(t), list); err != nil {
			t.Fatal(err)
		}
		was := strings.TrimSuffix(string(file), "\n")
		got := read(t, h, "subuid")
		if !strings.HasPrefix(got, was) {
			t.Fatalf("%q became %q", file, got)
		}
		old := subid.Parse(file)
		for _, n := range subid.Parse([]byte(got))[len(old):] {
			for _, o := range append(old, subid.Line{Owner: "local", IDRange: identity.IDRange{Min: 100000, Max: 165535}}) {
				if n.Min <= o.Max && o.Min <= n.Max {
					t.Fatalf("%v overlaps %v", n, o)
				}
			}
		}
	})
}
