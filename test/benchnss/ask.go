package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// The people: user0 with uid firstUID, and so on, each in ten of a hundred groups,
// team0 with gid firstUID + n.
const (
	firstUID = 1900000000
	teams    = 100
	each     = 10
)

// teamsOf lists the numbers of the groups that user i is in. With n users each
// group has n/10 members.
func teamsOf(i int) []int {
	list := make([]int, each)
	for g := range list {
		list[g] = (i + g*teams/each) % teams
	}
	return list
}

// prepare installs the peers and the benchmark's own programs on the machine.
func prepare(ctx context.Context, m *machine.Machine) error {
	root, err := machine.RepoRoot()
	if err != nil {
		return err
	}
	for _, f := range []string{"nssbench.c", "floor.c", "one.c"} {
		if err := m.CopyIn(filepath.Join(root, "test/benchnss/testdata", f), "/root/"+f, 0o644); err != nil {
			return err
		}
	}
	_, err = m.Script(ctx, `
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
		if ls `+os.Getenv(debs)+`/*.deb >/dev/null 2>&1; then
			DEBIAN_FRONTEND=noninteractive dpkg -i `+os.Getenv(debs)+`/*.deb >/root/dpkg.log 2>&1 || { cat /root/dpkg.log; exit 1; }
		fi
		gcc -O2 -o /usr/local/bin/nssbench /root/nssbench.c -lpthread
		gcc -O2 -o /usr/local/bin/one /root/one.c
		gcc -O2 -fPIC -shared -o /usr/lib/$(gcc -print-multiarch)/libnss_floor.so.2 /root/floor.c`)
	return err
}

// ask runs the benchmark once.
func (b *bench) ask(ctx context.Context, m *machine.Machine, service string, n int, mode string) (map[string]float64, error) {
	words := []string{service, strconv.Itoa(b.lookups), "user", strconv.Itoa(firstUID), strconv.Itoa(n), strconv.Itoa(firstUID + n)}
	out, err := m.Run(ctx, "/usr/local/bin/nssbench", append(words, mode)...)
	if err != nil {
		return nil, err
	}
	got := map[string]float64{}
	for line := range strings.Lines(out) {
		var name string
		var v float64
		var misses, asked int
		if _, err := fmt.Sscanf(line, "%s %f misses=%d of %d", &name, &v, &misses, &asked); err != nil {
			return nil, fmt.Errorf("nssbench printed %q: %w", line, err)
		}
		if strings.HasPrefix(name, "unknown") != (misses == asked) && asked > 0 || (misses > 0 && misses < asked) {
			return nil, fmt.Errorf("%s: %d of %d were not found", name, misses, asked)
		}
		got[name] = v
	}
	return got, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
