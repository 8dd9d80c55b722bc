package test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/wire"
)

// everybody is who must get in whatever a neighbour does.
func everybody(r *machine.Realm) map[string]attempt {
	all := map[string]attempt{"ada by key": byKey(r, ada), "ada by sudo": bySudo(r, ada, adaPass)}
	for _, who := range [][2]string{{ada, adaPass}, {local, localPass}, {"root", rootPass}} {
		for name, try := range ways(r, who[0], who[1]) {
			all[who[0]+" by "+name] = try
		}
	}
	return all
}

// comeIn asserts that all of them get in, one after the other.
func comeIn(t *testing.T, r *machine.Realm) {
	t.Helper()
	for name, try := range everybody(r) {
		t.Run(name, func(t *testing.T) {
			who, how, _ := strings.Cut(name, " by ")
			if how == "sudo" {
				who = "root"
			}
			lets(t, try, who)
		})
	}
}

func uidOf(t *testing.T, r *machine.Realm, name string) uint32 {
	t.Helper()
	var uid uint32
	if _, err := fmt.Sscan(script(t, r, "id -u "+name), &uid); err != nil {
		t.Fatal(err)
	}
	return uid
}

// Promise attack-local-prompts, prompts-by-origin.
func TestNobodyFillsTheDoorWithOpenPrompts(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	uid := uidOf(t, r, local)
	// su is set-user-ID: to the kernel the peer is root, and the module says who runs it.
	ctx, cancel := context.WithTimeout(t.Context(), machine.Patience)
	defer cancel()
	var flood []*wire.Conn
	for range 4300 {
		c, err := wire.Dial(ctx, r.Path("/run/sallyport/pam.sock"))
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		must(t, c.Send(ctx, begin(identity.OpAuthenticate).AddNumbers(wire.Caller, identity.NoLoginUID, uid)))
		flood = append(flood, c)
	}
	// Each is at its prompt, or was ended: one that is still beginning would take the place
	// of the su below, which the same local user runs.
	for _, c := range flood {
		for {
			if m, err := c.Receive(ctx); err != nil || m.Type != wire.Working {
				break
			}
		}
	}
	must(t, ctx.Err())
	t.Run("held open by direct connections", func(t *testing.T) { comeIn(t, r) })

	// The same with the real program, which waits for a password that never comes.
	_, err := r.Start(t.Context(), "/bin/sh", "-euc", `
		mkfifo /tmp/never; chmod 0666 /tmp/never
		exec setpriv --reuid=local --regid=local --init-groups sh -c '
			exec 9<>/tmp/never
			i=0; while [ $i -lt 200 ]; do su ada -c true <&9 >/dev/null 2>&1 & i=$((i+1)); done; wait'`)
	must(t, err)
	within(t, r, machine.Patience, func() error {
		out, err := r.Script(t.Context(), "pgrep -c -x su || true")
		var n int
		if _, serr := fmt.Sscan(out, &n); err == nil && (serr != nil || n < 200) {
			err = fmt.Errorf("%q processes of su", out)
		}
		return err
	})
	t.Run("held open by su", func(t *testing.T) { comeIn(t, r) })
}

// storm connects to a socket and hangs up, in four processes of a local user, until the
// test ends.
func storm(t *testing.T, r *machine.Realm, program, socket, kind string) {
	t.Helper()
	for range 4 {
		c := exec.Command("/usr/sbin/chroot", "--userspec=local:local", r.Root, program, socket, kind)
		must(t, c.Start())
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	}
}

const stormC = `
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int n, char **v)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (n != 3) return 2;
	strncpy(a.sun_path, v[1], sizeof a.sun_path - 1);
	for (;;) {
		int s = socket(AF_UNIX, strcmp(v[2], "stream") ? SOCK_SEQPACKET : SOCK_STREAM, 0);
		(void)!connect(s, (struct sockaddr *)&a, sizeof a);
		close(s);
	}
}
`

// Promise attack-local-storm, connections-silent.
func TestAStormOfConnectionsKeepsNobodyOut(t *testing.T) {
	r := joined(t)
	must(t, r.WriteFile("/tmp/storm.c", stormC, 0o644))
	out, err := exec.CommandContext(t.Context(), "cc", "-O2", "-static", "-o", r.Path("/usr/local/bin/storm"), r.Path("/tmp/storm.c")).CombinedOutput()
	if err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	lets(t, ways(r, ada, adaPass)["su"], ada)
	for _, socket := range []string{"pam.sock", "lookup.sock", "control.sock"} {
		t.Run(socket, func(t *testing.T) {
			storm(t, r, "/usr/local/bin/storm", "/run/sallyport/"+socket, "seqpacket")
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { lets(t, ways(r, ada, adaPass)["ssh keyboard-interactive"], ada) })
			}
			all.Wait()
			if socket == "pam.sock" {
				comeIn(t, r)
			}
			lets(t, byKey(r, ada), ada)
			lets(t, ways(r, local, localPass)["su"], local)
			script(t, r, "sallyport status >/dev/null || true; getent passwd root ada >/dev/null")
		})
	}
}
