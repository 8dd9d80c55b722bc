package test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// An image of the host's own shell needs no registry and no network.
const makeImage = `
	mkdir -p root/bin out
	for f in /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*'); do mkdir -p root/${f%/*}; cp $f root/$f; done
	tar -C root --owner=0 --group=0 -c . | podman import -q - tiny`

// What runs in a container: it prints its maps, and leaves a file as its user.
const inContainer = `
	while read l; do echo map $l; done </proc/self/uid_map
	while read l; do echo map $l; done </proc/self/gid_map
	: >/out/left`

// Promise subids-podman.
func TestEverybodyRunsContainersOfTheirOwn(t *testing.T) {
	b := settled(t)
	// The kernel lets nobody mount a /proc of their own where all that they see is masked,
	// as systemd-nspawn(1) does.
	in(t, b, "mkdir /run/proc; mount -t proc proc /run/proc")
	must(t, b.WriteFile("/usr/local/bin/make-image", "#!/bin/sh -eu\n"+makeImage, 0o755))
	people := []string{ada, bob, local}
	first := map[string]int{} // of each one's subordinate ids
	for _, name := range people {
		in(t, b, "su -l "+name+" -c true </dev/null")
		line := regexp.MustCompile(`(?m)^(?:` + name + `|` + strings.TrimSpace(in(t, b, "id -u "+name)) + `):(\d+):65536$`)
		must(t, b.Eventually(t.Context(), func() error {
			uids, gids := line.FindStringSubmatch(in(t, b, "cat /etc/subuid")), line.FindStringSubmatch(in(t, b, "cat /etc/subgid"))
			if uids == nil || gids == nil || uids[1] != gids[1] {
				return fmt.Errorf("%s has no range: %v, %v", name, uids, gids)
			}
			var err error
			first[name], err = strconv.Atoi(uids[1])
			return err
		}))
		in(t, b, as(name, "make-image"))
	}
	for _, s := range daemonStates() {
		t.Run(s.name, func(t *testing.T) {
			in(t, b, s.begin)
			for _, name := range people {
				t.Run(name, func(t *testing.T) { runsAContainer(t, b, name, first[name]) })
			}
			in(t, b, s.end)
		})
	}
}

// runsAContainer sees that user 7 of a container is the seventh subordinate id outside,
// and root in it nobody but who started it.
func runsAContainer(t *testing.T, b *machine.Booted, name string, first int) {
	t.Helper()
	own := strings.TrimSpace(in(t, b, "id -u "+name))
	for user, outside := range map[string]string{"0:0": own, "7:7": strconv.Itoa(first + 6)} {
		must(t, b.WriteFile("/usr/local/bin/run-container", `#!/bin/sh -eu
			podman unshare chown `+user+` out
			exec podman run --rm --network none --user `+user+` -v ./out:/out tiny /bin/sh -euc '`+inContainer+"'\n", 0o755))
		want := fmt.Sprintf("map 0 %s 1\nmap 1 %d 65536\n", own, first)
		bsays(t, b, as(name, "run-container")+"; echo left by $(stat -c %u:%g out/left); rm out/left",
			want+want, "left by "+outside+":"+outside+"\n")
	}
}

// as runs a command at home without PAM: su(1) rightly refuses where the daemon is gone.
// The machine's disk is an overlay already, and containers' cannot be one over it; what
// podman keeps while it runs must outlive a session, unlike /run/user.
func as(name, command string) string {
	return "cd ~" + name + "; install -d -o " + name + " -m 0700 run; setpriv --reuid=" + name + " --regid=" + name + " --init-groups env -i HOME=$PWD PATH=$PATH STORAGE_DRIVER=vfs XDG_RUNTIME_DIR=$PWD/run " + command
}
