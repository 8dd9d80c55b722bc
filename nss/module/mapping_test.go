package module_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/wire"
)

// all runs f with the library as it ships and with each sanitizer.
func all(t *testing.T, f func(t *testing.T, v variant)) {
	t.Helper()
	both(t, f)
	t.Run(the.threads.name, func(t *testing.T) { f(t, the.threads) })
}

// calls is what strace saw between the two marks.
func calls(t *testing.T, v variant, steps ...string) []string {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", append([]string{"-f", "-o", trace, v.mapped}, steps...)...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+v.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	inside := false
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(string(b), -1) {
		if m[1] == "getppid" {
			inside = !inside
		} else if inside {
			names = append(names, m[1])
		}
	}
	return names
}

func TestTheFirstLookupMapsAndEveryOtherMakesNoSystemCall(t *testing.T) {
	publish(t, fewPeople(), whole())
	plain := the.variants[0]
	// What the host prints is written; nothing else is called.
	for _, c := range []struct{ steps, want []string }{
		{[]string{"mark", "pwnam=alice", "mark"}, []string{"openat", "newfstatat", "mmap", "close", "mmap", "write"}},
		{[]string{"pwnam=alice", "mark", "pwnam=alice", "pwuid=70002", "pwnam=carol", "pwuid=70003", "mark"}, slices.Repeat([]string{"write"}, 4)},
		{[]string{"pwnam=alice", "mark", "errno-pwnam=alice", "errno-pwnam=carol", "mark"}, []string{"write", "write"}},
		{[]string{"grnam=crew", "mark", "groups=alice/70001", "groups=alice/70100", "groups=alice/70002", "groups=carol/70002", "mark"}, slices.Repeat([]string{"write"}, 4)},
	} {
		got := calls(t, plain, c.steps...)
		for i, n := range got {
			if n == "fstat" {
				got[i] = "newfstatat"
			}
		}
		// A list of groups is printed in pieces.
		if c.steps[0] == "grnam=crew" {
			got, c.want = slices.Compact(got), slices.Compact(c.want)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.steps, got, c.want)
		}
	}
}

func TestAFilterThatAllowsNothingButMappingIsEnough(t *testing.T) {
	publish(t, fewPeople(), whole())
	want(t, the.variants[0].ask(t, "seccomp", "pwnam=alice", "grnam=crew", "pwnam=carol", "pwent=1"), alice, crew, absent, alice)
}

func TestARunningProgramSeesANewerFileAtItsNextLookup(t *testing.T) {
	all(t, func(t *testing.T, v variant) {
		publish(t, fewPeople(), whole())
		s := v.start(t, "pwnam=alice", "pwnam=carol", "wait", "pwnam=carol", "pwnam=alice", "kept")
		s.want(alice, absent)
		more := fewPeople()
		more.add("carol", 70003)
		publish(t, more, whole())
		s.goOn()
		s.want("carol:x:70003:70003:Person carol:/home/carol:/bin/bash", alice)
		if v.name != "threads" {
			s.want("mappings=1 descriptors=0")
		} else {
			s.out.Scan()
		}
		s.end()
	})
}

// Promise 6.
func TestAHitOutlivesAFileThatCannotBeReplaced(t *testing.T) {
	for name, broken := range map[string]func(t *testing.T){
		"gone":    func(t *testing.T) { _ = os.Remove(the.path()) },
		"refused": func(t *testing.T) { place(t, make([]byte, 4096)) },
		"closed": func(t *testing.T) {
			_ = os.Rename(the.path(), the.path()+".old")
			t.Cleanup(func() { _ = os.Remove(the.path() + ".old") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, v variant) {
				publish(t, fewPeople(), whole())
				m, err := snapshot.OpenMarks(the.path())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = m.Close() }()
				s := v.start(t, "pwnam=alice", "pwnam=carol", "wait", "pwnam=alice", "pwnam=carol", "kept", "wait", "pwnam=carol")
				s.want(alice, absent)
				broken(t)
				m.Supersede()
				s.goOn()
				// Whoever is not in it may be in the one that nobody can read.
				s.want(alice, unsaid, "mappings=1 descriptors=0")
				more := fewPeople()
				more.add("carol", 70003)
				publish(t, more, whole())
				s.goOn()
				s.want("carol:x:70003:70003:Person carol:/home/carol:/bin/bash")
				s.end()
			})
		})
	}
}

// place puts bytes where the snapshot is, without marking the one before.
func place(t testing.TB, b []byte) {
	t.Helper()
	name := filepath.Join(the.cache, "placed")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, the.path()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(the.path()) })
}

func TestThreadsLookUpWhileAThousandFilesComeAndGo(t *testing.T) {
	all(t, func(t *testing.T, v variant) {
		publish(t, fewPeople(), whole())
		s := v.start(t, "hammer=4", "kept")
		s.want("hammering")
		for range 1000 {
			publish(t, fewPeople(), whole())
		}
		s.goOn()
		s.want("wrong=0")
		if !s.out.Scan() || v.name != "threads" && !regexp.MustCompile(`^mappings=[1-8] descriptors=0$`).MatchString(s.out.Text()) {
			t.Errorf("kept: %q", s.out.Text())
		}
		s.end()
	})
}

func TestAForkInTheMiddleOfALookupDoesNoHarm(t *testing.T) {
	both(t, func(t *testing.T, v variant) {
		publish(t, fewPeople(), whole())
		want(t, v.ask(t, "fork-often=200"), "wrong=0")
		s := v.start(t, "fork-hammer")
		s.want("hammering")
		for range 100 {
			publish(t, fewPeople(), whole())
		}
		s.goOn()
		s.want("wrong=0", "child=0")
		s.end()
	})
}

func TestLoadingAThousandTimesKeepsOneMapping(t *testing.T) {
	publish(t, fewPeople(), whole())
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "pwnam=alice", "reload=1000", "kept", "unload", "kept"), alice, "mappings=1 descriptors=0", "mappings=1 descriptors=0")
	})
}

func TestNoRoomForAMappingIsNoHarm(t *testing.T) {
	v := fewPeople()
	for i := range uint32(10000) {
		v.add(fmt.Sprintf("person-%d", i), 200000+i)
	}
	publish(t, v, whole())
	want(t, the.variants[0].ask(t, "limit=65536", "pwnam=alice", "grnam=crew"), unsaid, unsaid)
	serve(t, smallDirectory())
	want(t, the.variants[0].ask(t, "limit=65536", "pwnam=alice", "grnam=crew"), alice, crew)
}

func TestAChrootWithTheFolderBoundReadOnlyHasNames(t *testing.T) {
	publish(t, fewPeople(), whole())
	root := t.TempDir()
	inside := filepath.Join(root, the.cache)
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	script := `mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && shift 2 && exec "$@"`
	v := the.variants[0]
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", the.cache, inside, v.mapped, "chroot="+root, "pwnam=alice", "grnam=crew", "pwnam=carol")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+v.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want(t, string(out), alice, crew, absent)
	// A program that looked up before it changed its root goes on with what it has.
	s := v.start(t, "pwnam=alice", "chroot="+t.TempDir(), "wait", "pwnam=alice", "pwnam=carol")
	s.want(alice)
	publish(t, fewPeople(), whole())
	s.goOn()
	s.want(alice, unsaid)
	s.end()
}

// Promise 6.
func TestADaemonThatHangsChangesNoAnswer(t *testing.T) {
	publish(t, fewPeople(), whole())
	l, err := wire.Listen(the.socket, 0o666) // and never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	want(t, the.shipped.ask(t, "pwnam=alice", "pwnam=carol", "grgid=70100", "groups=bob/70002"), alice, absent, crew, "groups 1 0: 70100 44 998")
	if err := l.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := l.AcceptUnix(); err == nil {
		_ = c.Close()
		t.Error("the daemon was asked")
	}
}

// Promise 6, attack-person-local-group.
func TestALocalAccountNeverGetsTheDirectorysGroups(t *testing.T) {
	v := fewPeople()
	v.add("local", 70004, 70100) // published before the machine's own was made
	publish(t, v, whole())
	both(t, func(t *testing.T, variant variant) {
		want(t, variant.ask(t, "groups=local/1000", "groups=LOCAL/1000", "groups=local/70004", "groups=alice/1000", "groups=root/0"),
			"groups 0 ENOENT:", "groups 1 0: 70004 70100", "groups 1 0: 70100", "groups 1 0: 70001 70100", "groups 0 ENOENT:")
	})
}

func TestAWalkGoesOnInANewerFile(t *testing.T) {
	both(t, func(t *testing.T, v variant) {
		before, after := fewPeople(), fewPeople()
		before.add("dave", 70010)
		before.groups = append(before.groups, listed("elders", 70300))
		before.accounts[1].GIDs = append(before.accounts[1].GIDs, 70300)
		after.accounts[0].FullName = "a longer name than before"
		after.add("carol", 70003)
		after.add("dave", 70010)
		publish(t, before, whole())
		s := v.start(t, "pwent=2", "grent=4", "wait", "pwent=9", "grent=9", "kept")
		s.want(alice, bob, "alice:x:70001:alice", "bob:x:70002:bob", "dave:x:70010:dave", crew)
		publish(t, after, whole())
		s.goOn()
		s.want("carol:x:70003:70003:Person carol:/home/carol:/bin/bash", "dave:x:70010:70010:Person dave:/home/dave:/bin/bash", absent,
			absent, "mappings=1 descriptors=0")
		s.end()
	})
}

func TestAWalkThatBeganWithTheDaemonStaysWithIt(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		s := v.start(t, "pwent=1", "wait", "pwent=9", "setpwent", "pwent=9")
		s.want(alice)
		more := fewPeople()
		more.add("carol", 70003)
		publish(t, more, whole())
		s.goOn()
		s.want(bob, absent, alice, bob, "carol:x:70003:70003:Person carol:/home/carol:/bin/bash", absent)
		s.end()
		_ = os.Remove(the.path())
	})
}

// Promise 10, snapshot-checked.
func TestEveryBitThatFlipsIsSeenAndNeverFollowed(t *testing.T) {
	both(t, func(t *testing.T, v variant) {
		publish(t, fewPeople(), whole())
		want(t, v.ask(t, "flip="+the.path()), "all bits, wrong=0, some undecided")
	})
}

// sealed writes the header's check anew, so that what is behind it is reached.
func sealed(b []byte) []byte {
	binary.NativeEndian.PutUint64(b[64:], hashOf(b[72:512]))
	return b
}

// Promise 10.
func TestAFileThatIsNotWhollySoundIsNotMapped(t *testing.T) {
	publish(t, fewPeople(), whole())
	good, err := os.ReadFile(the.path())
	if err != nil {
		t.Fatal(err)
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.NativeEndian.PutUint32(b[at:], v); return sealed(b) }
	}
	put64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.NativeEndian.PutUint64(b[at:], v); return sealed(b) }
	}
	cases := map[string]func([]byte) []byte{
		"another magic":      func(b []byte) []byte { b[3] ^= 1; return b },
		"another byte order": put32(8, 0x04030201),
		"another version":    put32(12, 2),
		"no version":         put32(12, 0),
		"a filling":          put32(20, 1),
		"another filling":    put64(56, 1),
		"a check that fails": func(b []byte) []byte { b[300] ^= 1; return b },
		"another size":       put64(72, uint64(len(good))+64),
		"a longer realm":     func(b []byte) []byte { b[280] = 232; return sealed(b) },
		"a byte more":        func(b []byte) []byte { return append(b, 0) },
	}
	for i, part := range []string{"accounts", "groups", "subordinate ids", "names", "uids", "group names", "gids"} {
		at := 112 + 24*i
		for name, c := range map[string]func([]byte) []byte{
			"before the header's end": put64(at, 448), "unaligned": put64(at, 513), "behind the end": put64(at, uint64(len(good))+64),
			"as far as can be": put64(at, 1<<63), "too long": put64(at+8, uint64(len(good))), "longer than can be": put64(at+8, ^uint64(63)),
			"with too many": put64(at+16, 1<<40),
		} {
			if part == "subordinate ids" && !strings.HasPrefix(name, "too long") && !strings.HasPrefix(name, "longer") && !strings.HasPrefix(name, "with") {
				continue // it is empty here, and begins nowhere
			}
			cases[part+" "+name] = c
		}
	}
	for _, n := range []int{0, 1, 63, 64, 71, 72, 511, 512, 513, 4095, len(good) - 64, len(good) - 1} {
		if n < len(good) {
			cases[fmt.Sprintf("cut off at %d", n)] = func(b []byte) []byte { return b[:n] }
		}
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			place(t, change(slices.Clone(good)))
			both(t, func(t *testing.T, v variant) {
				want(t, v.ask(t, "pwnam=alice", "pwuid=70001", "grnam=crew", "pwnam=carol", "pwent=1", "kept"), unsaid, unsaid, unsaid, unsaid, unsaid, "mappings=0 descriptors=0")
			})
		})
	}
	for name, spoil := range map[string]func() error{
		"written by its group": func() error { return os.Chmod(the.path(), 0o664) },
		"written by anybody":   func() error { return os.Chmod(the.path(), 0o646) },
		"a pipe": func() error {
			_ = os.Remove(the.path())
			return syscall.Mkfifo(the.path(), 0o644)
		},
		"a folder": func() error {
			_ = os.Remove(the.path())
			return os.Mkdir(the.path(), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			place(t, good)
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			want(t, the.variants[1].ask(t, "pwnam=alice", "kept"), unsaid, "mappings=0 descriptors=0")
			_ = os.Remove(the.path())
		})
	}
}

func TestTheLibraryExportsNothingButWhatGlibcAsks(t *testing.T) {
	out, err := exec.Command("nm", "-D", "--defined-only", filepath.Join(the.shipped.dir, "libnss_sallyport.so.2")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		names = append(names, strings.TrimPrefix(f[len(f)-1], "_nss_sallyport_"))
	}
	slices.Sort(names)
	// No shadow, no gshadow: what is not exported is not asked for.
	if w := []string{"endgrent", "endpwent", "getgrent_r", "getgrgid_r", "getgrnam_r", "getpwent_r", "getpwnam_r", "getpwuid_r", "initgroups_dyn", "setgrent", "setpwent"}; !slices.Equal(names, w) {
		t.Errorf("it exports %v", names)
	}
}
