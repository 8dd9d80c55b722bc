package test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/wire"
)

// forged stands in names that try to write a line of their own.
const forged = "FORGED"

// oddNames are what nobody is called, by what is odd about them.
func oddNames() map[string]string {
	return map[string]string{
		"300 bytes":        strings.Repeat("a", 300),
		"a colon":          "ada:" + forged,
		"a newline":        "ada\n" + forged + ":x:0:0::/:/bin/sh",
		"invalid UTF-8":    "ada\xff\xfe" + forged,
		"a way up":         "../" + forged,
		"a way to a file":  "../../etc/passwd",
		"an escape":        "ada\x1b[31m" + forged,
		"a slash":          "ada/" + forged,
		"a space":          "ada " + forged,
		"look-alikes":      "ad\u0430", // the last is Cyrillic
		"digits":           "4242",
		"a format":         "%s%n%d",
		"another realm":    "ada@elsewhere",
		"a dot":            ".",
		"a root with more": "root\u00a0",
	}
}

// quietly runs a program that is to find nobody, and returns what it printed.
func quietly(t *testing.T, r *machine.Realm, words ...string) (out string, code int) {
	t.Helper()
	c := r.Command(t.Context(), words[0], words[1:]...)
	c.Stdin = strings.NewReader("x\n")
	b, err := c.CombinedOutput()
	if err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // Cmd returns it bare
		if !ok || exit.ExitCode() < 0 {
			t.Errorf("%q: %v\n%s", words, err, b)
		}
	}
	return string(b), c.ProcessState.ExitCode()
}

// files lists everything that the machine has made since it was mounted.
func files(t *testing.T, r *machine.Realm) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{filepath.Join(filepath.Dir(r.Root), "upper"), r.Path("/run"), r.Path("/tmp")} {
		must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			all = append(all, strings.TrimPrefix(strings.TrimPrefix(path, r.Root), filepath.Dir(r.Root)+"/upper"))
			if errors.Is(err, fs.ErrNotExist) { // gone meanwhile
				return nil
			}
			return err
		}))
	}
	if !slices.Contains(all, "/usr/sbin/sallyportd") || !slices.Contains(all, "/run/sallyport/pam.sock") {
		t.Fatal("this is not where a machine keeps its files")
	}
	return all
}

// Promise 9.
func TestAnOddNameFindsNobodyAndReachesNothing(t *testing.T) {
	r := joined(t)
	quietly(t, r, "/usr/bin/sallyport", "auth-test", "nobodyhere") // whatever a first call makes
	before := files(t, r)
	var all sync.WaitGroup // each waits for the hosts' delays after a refusal
	for _, name := range oddNames() {
		all.Go(func() { findsNobody(t, r, name) })
	}
	all.Wait()
	t.Run("nothing was left anywhere", func(t *testing.T) {
		for _, f := range files(t, r) {
			if !slices.Contains(before, f) && f != "/run/motd.dynamic" && !strings.HasPrefix(f, "/var/log") {
				t.Errorf("there is now %q", f)
			}
			if strings.Contains(f, forged) {
				t.Errorf("a name made a file: %q", f)
			}
		}
	})
	t.Run("no name wrote a line of the log", func(t *testing.T) {
		for line := range strings.Lines(r.Daemon.Output.String()) {
			if !strings.HasPrefix(line, "time=") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\r") || !utf8.ValidString(line) {
				t.Errorf("the daemon logged %q", line)
			}
		}
	})
	t.Run("and everybody is still found", func(t *testing.T) {
		lets(t, ways(r, ada, adaPass)["su"], ada)
		lets(t, byKey(r, ada), ada)
	})
}

// findsNobody tries a name wherever a name can be said.
func findsNobody(t *testing.T, r *machine.Realm, name string) {
	for _, words := range [][]string{
		{"/usr/bin/getent", "passwd", name},
		{"/usr/bin/getent", "group", name},
		{"/usr/bin/id", "--", name},
		{"/usr/bin/sallyport", "explain", "--", name},
		{"/usr/bin/sallyport", "unlock", "--", name},
		{"/usr/bin/sallyport", "cache", "forget", "--", name},
		{"/usr/bin/sallyport", "auth-test", "--", name},
		{"/usr/bin/sallyport", "auth-test", "--service", "sshd", "--", name},
		{"/bin/su", "-c", "echo I am $(id -un)", "--", name},
		{
			"/usr/bin/ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
			"-o", "BatchMode=yes", "-i", adaKey, "-l", name, "127.0.0.1", "echo I am $(id -un)",
		},
	} {
		if words[0] == "/usr/bin/ssh" && strings.ContainsAny(name, ":/") {
			continue // sshd takes the rest for a style or a role, and asks for the name in front
		}
		out, code := quietly(t, r, words...)
		if code == 0 || strings.Contains(out, "I am ") {
			t.Errorf("%q: exit code %d, %q", words, code, out)
		}
		if strings.HasPrefix(words[0], "/usr/bin/sallyport") && (strings.Contains(out, "\n"+forged) || strings.Contains(out, "\x1b")) {
			t.Errorf("%q lets a name write to the terminal: %q", words, out)
		}
	}
	if out, _ := quietly(t, r, "/usr/bin/getent", "initgroups", name); regexp.MustCompile(`\d`).MatchString(strings.ReplaceAll(out, name, "")) {
		t.Errorf("getent initgroups %q printed %q", name, out)
	}
	if out, _ := quietly(t, r, "/usr/bin/sallyport-keys", "--", name); strings.Contains(out, "ssh-") {
		t.Errorf("keys of %q: %q", name, out)
	}
}

func TestUpperCaseFindsTheAccount(t *testing.T) {
	r := joined(t)
	for _, name := range []string{"ADA", "Ada", "ada@" + machine.RealmName, "ADA@EXAMPLE"} {
		if out := script(t, r, "getent passwd "+name+"; id -un "+name+"; id -Gn "+name); !strings.HasPrefix(out, "ada:x:") || !strings.Contains(out, "\nada\n") || !strings.Contains(out, "admins") {
			t.Errorf("%s is %s", name, out)
		}
	}
	// A local name in upper case is nobody's: not the machine's, and not ours.
	for _, name := range []string{"ROOT", "Local", "root@" + machine.RealmName} {
		if out, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", name); err == nil {
			t.Errorf("%s is %s", name, out)
		}
		keepsOut(t, byKey(r, name))
	}
}

// A name with NUL can come through no argument; whoever writes to the sockets
// can still send one.
// Promise 9.
func TestANULInANameEndsTheConnectionAndNoOther(t *testing.T) {
	r := joined(t)
	for socket, kind := range map[string]wire.Type{"lookup.sock": wire.GetAccountByName, "pam.sock": wire.Begin, "control.sock": wire.Control} {
		for _, name := range []string{"ada\x00", "\x00", "ada\x00root"} {
			c, err := net.Dial("unixpacket", r.Path("/run/sallyport/"+socket))
			must(t, err)
			tag := wire.Name
			if kind == wire.Control {
				tag = wire.Verb
			}
			b := []byte{wire.Version, byte(kind), 0, 0}
			b = binary.LittleEndian.AppendUint16(b, uint16(tag))
			b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
			_, err = c.Write(append(b, name...))
			must(t, err)
			answer := make([]byte, wire.MaxPacket)
			for n := 1; n > 0; { // an end, or an answer that is a no
				n, _ = c.Read(answer)
				if n > 1 && slices.Contains([]wire.Type{wire.Account, wire.SSHKey, wire.Prompt, wire.Item}, wire.Type(answer[1])) {
					t.Errorf("%s answers %q with %x", socket, name, answer[:n])
				}
			}
			_ = c.Close()
		}
	}
	if out := script(t, r, "getent passwd ada"); !strings.HasPrefix(out, "ada:") {
		t.Errorf("afterwards ada is %q", out)
	}
}
