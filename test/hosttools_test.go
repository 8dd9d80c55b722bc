package test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// accountTools are what administers local accounts, in an order in which it works.
func accountTools() []string {
	return []string{
		"useradd -m -s /bin/bash x1",
		"adduser --disabled-password --gecos 'Second' x2",
		"echo 'x3:Xk3-something:::Third:/home/x3:/bin/sh' | newusers",
		"echo 'x1:Xk1-something-else' | chpasswd",
		"printf 'Xk1-third\\nXk1-third\\n' | passwd x1",
		"passwd -l x2", "passwd -S x2",
		"usermod -v 700000000-700000099 x1", "usermod -w 700000000-700000099 x1",
		"usermod -V 700000000-700000099 x1", "usermod -W 700000000-700000099 x1",
		"usermod -l x4 -d /home/x4 -m x3",
		"groupadd g1", "gpasswd -a x1 g1", "groupmod -n g2 g1", "gpasswd -d x1 g2", "usermod -aG g2 x2", "groupdel g2",
		"chfn -f 'First One' x1", "chsh -s /bin/sh x1", "chage -M 99 x1",
		"EDITOR=true vipw", "EDITOR=true vipw -s", "EDITOR=true vigr",
		"pwck -r; grpck -r",
		"su x1 -c id",
		"userdel -r x1", "deluser x2", "userdel -r x4",
		"useradd -r s1", "userdel s1",
		"useradd x5",
	}
}

// ownLines are the lines of the files that are ours to make: our users and people.
var ownLines = regexp.MustCompile(`(?m)^((sallyport[a-z-]*|tss|18790\d+):.*|ada)\n`)

// systemID: our own system users take some of the numbers.
var systemID = regexp.MustCompile(`(?m)^(s1):x:\d+:(\d+:)?`)

// afterTools runs the tools one after the other, and returns what each made of the
// machine's files, with its exit code.
func afterTools(t *testing.T, m *machine.Machine) []string {
	t.Helper()
	var all []string
	for _, tool := range accountTools() {
		out, err := m.Script(t.Context(), `
			rc=0; out=$({ `+tool+`; } 2>&1 </dev/null) || rc=$?
			echo "exit $rc"
			cat /etc/passwd /etc/group /etc/subuid /etc/subgid
			cut -d: -f1,4- /etc/shadow; cut -d: -f1,3- /etc/gshadow
			ls -l /etc/subuid /etc/subgid /etc/passwd /etc/shadow | cut -d' ' -f1-4
			ls /home; ls /etc/*.lock 2>/dev/null || true
			[ $rc = 0 ] || echo "$out" >&2`)
		must(t, err)
		out = systemID.ReplaceAllString(ownLines.ReplaceAllString(out, ""), "$1:x:N:")
		all = append(all, tool+"\n"+out)
	}
	return all
}

// Promise host-tools.
func TestHostAccountToolsWorkAsWithoutUs(t *testing.T) {
	without, err := machine.New()
	must(t, err)
	defer without.Close()
	_, err = without.Script(t.Context(), "useradd -m -s /bin/bash "+local)
	must(t, err)
	want := afterTools(t, without)
	for i, tool := range accountTools() {
		// What pwck and grpck find on the test's host is its own affair.
		if !strings.Contains(want[i], "exit 0\n") && !strings.HasPrefix(tool, "pwck") {
			t.Fatalf("without us: %s", want[i])
		}
	}
	for name, begin := range map[string]func(t *testing.T) *machine.Realm{
		"installed, not joined": bare,
		"joined and online":     withRanges,
		"joined, server gone": func(t *testing.T) *machine.Realm {
			r := withRanges(t)
			must(t, r.Server.Stop(t.Context()))
			must(t, r.WaitOffline(t.Context()))
			return r
		},
		"joined, daemon stopped": func(t *testing.T) *machine.Realm {
			r := withRanges(t)
			must(t, r.Daemon.Stop(t.Context()))
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, got := range afterTools(t, begin(t).Machine) {
				if only := difference(got, want[i]); only != "" {
					t.Errorf("after %s:\n%s", accountTools()[i], only)
				}
			}
		})
	}
}

// difference has the lines that only one of two texts has.
func difference(with, without string) string {
	var out strings.Builder
	for _, side := range []struct{ what, one, other string }{{"with us", with, without}, {"without us", without, with}} {
		lines := strings.Split(side.other, "\n")
		for line := range strings.Lines(side.one) {
			if !slices.Contains(lines, strings.TrimSuffix(line, "\n")) {
				fmt.Fprintf(&out, "only %s: %s", side.what, line)
			}
		}
	}
	return out.String()
}

// withRanges is a machine in a realm where ada has subordinate ids in the files.
func withRanges(t *testing.T) *machine.Realm {
	t.Helper()
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	out := script(t, r, "/usr/sbin/sallyport-subids; cat /etc/subuid")
	if !regexp.MustCompile(`(?m)^\d{10}:600113152:65536$`).MatchString(out) {
		t.Fatalf("ada has no range:\n%s", out)
	}
	return r
}

// Promise host-tools.
func TestHostSubordinateIDsOfANewLocalUserAreTheirOwn(t *testing.T) {
	r := withRanges(t)
	script(t, r, "useradd -m fresh")
	out := script(t, r, "cat /etc/subuid")
	fresh := regexp.MustCompile(`(?m)^fresh:(\d+):(\d+)$`).FindStringSubmatch(out)
	if fresh == nil {
		t.Fatalf("fresh has no range:\n%s", out)
	}
	var start, n int
	fmt.Sscan(fresh[1]+" "+fresh[2], &start, &n)
	if start+n > 600113152 && start < 600113152+65536 {
		t.Errorf("fresh shares ids with ada:\n%s", out)
	}
}
