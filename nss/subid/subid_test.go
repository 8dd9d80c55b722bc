package subid_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/nss/subid"
	"github.com/sallyport-auth/sallyport/wire"
)

const (
	adaUID, bobUID, freshUID, wideUID = 1879048192, 1879048193, 1879048194, 1879048195

	adaStart, bobStart, freshStart = 600113152, 600178688, 600244224
)

// house is a plugin with files of its own, built with the sanitizers in it.
type house struct {
	t         *testing.T
	dir, host string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{t, dir, filepath.Join(dir, "host")}
	sources, _ := filepath.Glob("*.c")
	flags := []string{
		"-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-I.", "-I../../wire/cwire", "-I../module",
	}
	h.cc(append(flags, "-o", h.host, "testdata/host.c", "-ldl"))
	plugin := append(slices.Clone(flags), "-fPIC", "-shared", "-fvisibility=hidden", "-Dgetpwnam_r=test_getpwnam_r", "-DSALLYPORT_ACKNOWLEDGE_MS=10000", "-DSALLYPORT_LOOKUP_DEADLINE_MS=10000", "-o", dir+"/libsubid_sallyport.so")
	for macro, name := range map[string]string{"SUBUID_FILE": "subuid", "SUBGID_FILE": "subgid", "PASSWD_FILE": "passwd", "DIRECTORY": "", "LOOKUP_SOCKET": "lookup.sock"} {
		plugin = append(plugin, fmt.Sprintf("-DSALLYPORT_%s=%q", macro, filepath.Join(dir, name)))
	}
	stub := filepath.Join(dir, "passwd.o")
	h.cc(append(slices.Clone(flags), "-fPIC", "-fvisibility=hidden", "-c", "-o", stub, "testdata/passwd.c"))
	h.cc(append(append(plugin, "-include", "testdata/passwd.h", stub), sources...))
	h.put("passwd", "root:x:0:0::/:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\nbare:x:1001:1001::/:/bin/sh\n")
	h.put("subuid", "local:100000:65536\n1000:300000:10\nlocal:165536:65536\nbroken line\nlocal:x:1\nlocal:1:0\nlocal:4294967295:2\nother:700000000:65536")
	h.put("subgid", "local:200000:65536\n")
	return h
}

func (h *house) cc(args []string) {
	h.t.Helper()
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		h.t.Fatalf("gcc: %v\n%s", err, out)
	}
}

func (h *house) put(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) ask(words ...string) string {
	h.t.Helper()
	c := exec.CommandContext(h.t.Context(), h.host, append([]string{h.dir + "/libsubid_sallyport.so"}, words...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %v\n%s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (h *house) asks(all map[string]string) {
	h.t.Helper()
	for words, want := range all {
		if got := h.ask(strings.Fields(words)...); got != want {
			h.t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

type ranges []identity.SubIDs

func (ranges) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		for i, name := range []identity.Name{"ada", "bob", "fresh", "wide"} {
			id := uint32(adaUID + i)
			l := identity.Listed{Account: identity.Account{Name: name, UID: id, GID: id, Home: "/home/" + string(name), Shell: "/bin/sh"}, GroupIDs: identity.GroupIDs{GIDs: []uint32{id}}}
			if !yield(&l) {
				return
			}
		}
	}
}

func (ranges) Groups() iter.Seq[identity.ListedGroup] {
	return func(yield func(identity.ListedGroup) bool) {
		for i, name := range []identity.Name{"ada", "bob", "fresh", "wide"} {
			if !yield(identity.ListedGroup{Group: identity.Group{Name: name, GID: uint32(adaUID + i)}}) {
				return
			}
		}
	}
}

func (r ranges) SubIDs() iter.Seq[identity.SubIDs] { return slices.Values(r) }

func (h *house) publish(until time.Time, r ranges) {
	h.t.Helper()
	path := filepath.Join(h.dir, "directory")
	f, err := os.Create(path + ".new")
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := snapshot.Write(f, r, snapshot.Options{Standing: identity.DirectoryStanding{Until: until}}); err != nil {
		h.t.Fatal(err)
	}
	_ = f.Close()
	if err := os.Rename(path+".new", path); err != nil {
		h.t.Fatal(err)
	}
}

func given() ranges {
	return ranges{{UID: adaUID, Start: adaStart}, {UID: bobUID, Start: bobStart}, {UID: wideUID, Start: 699990016}} // overlaps a line of subuid
}

func TestPeopleOfTheMachineHaveWhatTheirFilesSayAndNothingElse(t *testing.T) {
	h := newHouse(t)
	h.publish(identity.Forever(), given())
	h.asks(map[string]string{
		"list local":                       "0 100000+65536 300000+10 165536+65536 | 0 200000+65536",
		"has local 100000 65536":           "0 yes | 0 no",
		"has local 100000 70000":           "0 yes | 0 no", // two lines that touch
		"has local 200000 65536":           "0 no | 0 yes",
		"has local 300000 11":              "0 no | 0 no",
		"has local 0 1":                    "0 no | 0 no",
		"has local 100000 0":               "0 no | 0 no",
		"has local 18446744073709551615 2": "0 no | 0 no",
		"list bare":                        "0 | 0",
		"list nobody":                      "1 | 1",
		"list system":                      "0 | 0",
		"list broken":                      "2 | 2",
		"owners 100001":                    "0 1000 | 0",
		"owners 300009":                    "0 1000 | 0",
		"owners 1":                         "0 | 0",
	})
}

func TestPeopleOfTheRealmHaveTheirRangeWithoutADaemon(t *testing.T) {
	h := newHouse(t)
	h.publish(identity.Forever(), given())
	a, b := strconv.Itoa(adaStart), strconv.Itoa(bobStart)
	h.asks(map[string]string{
		"list ada":                "0 " + a + "+65536 | 0 " + a + "+65536",
		"has ada " + a + " 65536": "0 yes | 0 yes",
		"has ada " + a + " 65537": "0 no | 0 no", // the next is bob's
		"has ada " + b + " 1":     "0 no | 0 no",
		"has ada 0 1":             "0 no | 0 no",
		"has ada 1879048192 1":    "0 no | 0 no", // her own uid needs no range
		"list fresh":              "2 | 2",       // nobody can tell
		"list wide":               "0 | 0",       // somebody else has lines there
		"owners " + a:             "0 1879048192 | 0 1879048192",
	})
	h.put("subgid", "ada:5000000:10\n")
	h.asks(map[string]string{"list ada": "0 " + a + "+65536 | 0 5000000+10"})
}

func TestAFileThatIsNotSoundOrNotInForceGivesNobodyARange(t *testing.T) {
	h := newHouse(t)
	h.publish(time.Now().Add(-time.Hour), given())
	h.asks(map[string]string{"list ada": "2 | 2"})
	h.publish(identity.Forever(), given())
	path := filepath.Join(h.dir, "directory")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	sub := int(uint64(whole[160]) | uint64(whole[161])<<8 | uint64(whole[162])<<16)
	for _, at := range []int{0, 8, 12, 64, 72, 80, 108, 160, 168, 176, 300, sub, sub + 4, sub + 8, sub + 12, sub + 63} {
		bad := slices.Clone(whole)
		bad[at] ^= 0x10
		h.put("directory", string(bad))
		if got := h.ask("list", "ada"); got != "2 | 2" {
			t.Errorf("a bit of byte %d: %s", at, got)
		}
	}
	for _, n := range []int{0, 1, 511, 512, sub, sub + 63, len(whole) - 1} {
		h.put("directory", string(whole[:n]))
		if got := h.ask("list", "ada"); got != "2 | 2" {
			t.Errorf("cut off at %d: %s", n, got)
		}
	}
}

// keeper is a daemon that gives ranges.
type keeper struct{ start uint32 }

func (k keeper) SubIDsOf(_ context.Context, _ identity.Peer, name string) (identity.IDRange, error) {
	if name == "bob" {
		return identity.IDRange{}, identity.ErrNotFound
	}
	return identity.IDRange{Min: k.start, Max: k.start + identity.SubIDCount - 1}, nil
}

func TestTheDaemonGivesARangeToWhomTheFileHasNone(t *testing.T) {
	h := newHouse(t)
	l, err := wire.Listen(filepath.Join(h.dir, "lookup.sock"), 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- (&nss.Server{SubIDs: keeper{freshStart}, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	want := fmt.Sprintf("0 %d+65536", freshStart)
	h.asks(map[string]string{"list fresh": want + " | " + want, "list bob": "0 | 0", "list local": "0 100000+65536 300000+10 165536+65536 | 0 200000+65536", "list bare": "0 | 0"})
	h.publish(identity.Forever(), given())
	h.asks(map[string]string{"list ada": fmt.Sprintf("0 %d+65536 | 0 %d+65536", adaStart, adaStart), "list fresh": want + " | " + want})
	h.put("subuid", fmt.Sprintf("other:%d:1\n", freshStart+65535))
	h.asks(map[string]string{"list fresh": "0 | 0"}) // one id of it is somebody else's
}

// FuzzLine: C takes no line for a range that Go would not.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"ada:100000:65536", "1000:1:1", ":1:1", "a:b:c", "a:1", "a:4294967296:1", "a:1:4294967296", "a:0:4294967296", "a:1:1:1", "a:-1:1", "a: 1:1", "\x00:1:1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		l, ok := subid.Parse(line)
		p := strings.Split(line, ":")
		want := len(p) == 3 && p[0] != "" && !strings.ContainsRune(line, 0)
		var start, count uint64
		for i, to := range []*uint64{&start, &count} {
			if want {
				n, err := strconv.ParseUint(p[i+1], 10, 64)
				want = err == nil && len(p[i+1]) <= 10
				*to = n
			}
		}
		want = want && count > 0 && start+count <= 1<<32
		if ok != want || (ok && (l.Owner != p[0] || l.Start != start || l.Count != count)) {
			t.Errorf("%q: %+v %t, want %t", line, l, ok, want)
		}
	})
}
