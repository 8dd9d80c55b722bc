package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/bench/fill"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// realm is what every service is filled with: n people, each with a group of their
// own, and a hundred groups of a tenth of them each; of a twentieth, when they are
// few.
func realm(n int) fill.Realm {
	r := fill.Realm{Accounts: n, Groups: 100, Members: n / 10}
	if n <= 1000 {
		r.Members = n / 20
	}
	return r
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
		gcc -O2 -o /usr/local/bin/nssbench /root/nssbench.c -lpthread -ldl
		gcc -O2 -o /usr/local/bin/one /root/one.c
		gcc -O2 -fPIC -shared -o /usr/lib/$(gcc -print-multiarch)/libnss_floor.so.2 /root/floor.c`)
	return err
}

// ask runs the benchmark once.
func (b *bench) ask(ctx context.Context, m *machine.Machine, service string, n int, mode string) (map[string]float64, error) {
	words := []string{service, strconv.Itoa(b.lookups), "user", strconv.Itoa(fill.FirstUID), strconv.Itoa(n), strconv.Itoa(fill.FirstGID)}
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
