package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// golang tries the breaks of Go files, all of which are in one test binary.
func (r *runner) golang(ctx context.Context, files []string) (survived int, err error) {
	temp, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, fmt.Errorf("mutate: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	b := broken{runner: r, temp: temp}
	list, err := b.write(files)
	if err != nil {
		return 0, err
	}
	var tests []test
	for _, pkg := range r.packages {
		of, err := b.build(ctx, pkg)
		if err != nil {
			return 0, err
		}
		more, err := b.tests(ctx, of)
		if err != nil {
			return 0, err
		}
		tests = append(tests, more...)
	}
	list = slices.DeleteFunc(list, func(m mutant) bool { return !r.at.MatchString(m.String()) })
	return r.each(ctx, list, func() (job, error) {
		return func(m mutant) (fate, error) { return b.try(ctx, tests, m) }, nil
	})
}

// broken is the tree with every break in it.
type broken struct {
	*runner

	temp, overlay string
	kills         kills
}

// binary is the test binary of one package of it, and the folder where its tests run.
type binary struct{ path, dir string }

// test is one top-level test, what it takes alone and the breaks that it gets to.
type test struct {
	in    binary
	name  string
	takes time.Duration
	gets  map[int]bool
}

// write writes each file with all of its breaks beside the tree.
func (b *broken) write(files []string) (list []mutant, err error) {
	replace, packages := map[string]string{}, map[string]string{}
	for i, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		found, broken, pkg, err := mutantsOf(f, source, len(list)+1)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
		path, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("mutate: %w", err)
		}
		replace[path] = filepath.Join(b.temp, strconv.Itoa(i)+".go")
		packages[filepath.Dir(path)] = pkg
		if err := os.WriteFile(replace[path], broken, 0o600); err != nil {
			return nil, fmt.Errorf("mutate: %w", err)
		}
	}
	for dir, pkg := range packages {
		switchboard := filepath.Join(b.temp, "switch"+strconv.Itoa(len(replace))+".go")
		replace[filepath.Join(dir, "mutate_switch.go")] = switchboard
		if err := os.WriteFile(switchboard, fmt.Appendf(nil, onSwitch, pkg, len(list)+1), 0o600); err != nil {
			return nil, fmt.Errorf("mutate: %w", err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, fmt.Errorf("mutate: %w", err)
	}
	b.overlay = filepath.Join(b.temp, "overlay.json")
	if err := os.WriteFile(b.overlay, overlay, 0o600); err != nil {
		return nil, fmt.Errorf("mutate: %w", err)
	}
	return list, nil
}

// build compiles a package's tests as if the broken files stood in the tree.
func (b *broken) build(ctx context.Context, pkg string) (binary, error) {
	path := filepath.Join(b.temp, strings.NewReplacer("/", "_", ".", "_").Replace(pkg)+".test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", b.overlay, "-o", path, pkg).CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("build the tests: %w\n%s", err, out)
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return binary{}, fmt.Errorf("find %s: %w", pkg, err)
	}
	return binary{path, strings.TrimSpace(string(out))}, nil
}

// onSwitch is the file that each package with breaks gets: its name, and one more than
// there are breaks.
const onSwitch = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutateNow, _   = strconv.Atoi(os.Getenv("MUTATE"))
	mutateGets, _  = os.OpenFile(os.Getenv("MUTATE_GETS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	mutateSeen     [%d]atomic.Bool
)

// mutateIs tells whether the break n holds in this process.
func mutateIs(n int) bool {
	if mutateGets != nil && !mutateSeen[n].Swap(true) {
		_, _ = mutateGets.WriteString(strconv.Itoa(n) + "\n")
	}
	return n == mutateNow
}
`

// tests runs each test of a package alone and without any break.
func (b *broken) tests(ctx context.Context, in binary) ([]test, error) {
	out, err := in.command(ctx, "-test.list", cmp.Or(b.run, ".")).Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	var list []test
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
			continue
		}
		t, err := b.alone(ctx, in, name)
		if errors.Is(err, errLong) {
			fmt.Printf("left out   %s takes more than %s\n", name, b.longest)
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

var errLong = errors.New("the test takes too long")

// alone runs one test, to learn what it takes and which breaks it gets to.
func (b *broken) alone(ctx context.Context, in binary, name string) (test, error) {
	ctx, stop := context.WithTimeoutCause(ctx, b.longest, errLong)
	defer stop()
	t, gets := test{in: in, name: name, gets: map[int]bool{}}, filepath.Join(b.temp, "gets")
	defer os.Remove(gets)
	c := in.command(ctx, "-test.run", "^"+name+"$", "-test.timeout", b.timeout.String())
	c.Env = append(c.Environ(), "MUTATE_GETS="+gets)
	begun := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		return t, fmt.Errorf("%s fails without any break: %w\n%s", name, cmp.Or(context.Cause(ctx), err), out)
	}
	t.takes = time.Since(begun)
	numbers, err := os.ReadFile(gets)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return t, fmt.Errorf("mutate: %w", err)
	}
	for n := range bytes.FieldsSeq(numbers) {
		i, _ := strconv.Atoi(string(n))
		t.gets[i] = true
	}
	return t, nil
}

// try runs the tests that get to a break with the break in place: first what killed its
// neighbours and as many others of the same package as take a second, then three times as
// long, and so on.
func (b *broken) try(ctx context.Context, tests []test, m mutant) (fate, error) {
	tests = slices.DeleteFunc(slices.Clone(tests), func(t test) bool { return !t.gets[m.number] })
	slices.SortStableFunc(tests, func(x, y test) int {
		return cmp.Or(cmp.Compare(b.kills.of(y.name), b.kills.of(x.name)), cmp.Compare(x.price(), y.price()))
	})
	what, spent := unreached, time.Duration(0)
	for limit := time.Second; len(tests) > 0 && (spent == 0 || spent+tests[0].takes <= b.patience); limit *= 3 {
		var names []string
		var takes time.Duration
		in := tests[0].in
		for len(tests) > 0 && tests[0].in == in && (takes == 0 || takes+tests[0].takes <= limit && spent+takes+tests[0].takes <= b.patience) {
			names, takes = append(names, tests[0].name), takes+tests[0].takes
			tests = tests[1:]
		}
		what, spent = lived, spent+takes
		c := in.command(ctx, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$",
			"-test.timeout", min(b.timeout, 5*time.Second+5*takes).String())
		c.Env = append(c.Environ(), "MUTATE="+strconv.Itoa(m.number))
		if out, err := c.Output(); err != nil {
			if found := failed.FindSubmatch(out); found != nil {
				b.kills.add(string(found[1]))
			}
			return killed, ctx.Err()
		}
	}
	if len(tests) > 0 {
		what = doubtful
	}
	return what, ctx.Err()
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// price is low for a quick test that gets to few breaks: it looks at what it gets to.
func (t test) price() int64 { return t.takes.Milliseconds() * int64(len(t.gets)) }

// kills are the tests that killed the last breaks.
type kills struct {
	mu   sync.Mutex
	last []string
}

// of is higher the later a test has killed one, and 0 for one that has not lately.
func (k *kills) of(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return 1 + slices.Index(k.last, name)
}

func (k *kills) add(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = append(slices.DeleteFunc(k.last, func(o string) bool { return o == name }), name)
	if len(k.last) > 5 {
		k.last = k.last[1:]
	}
}

func (b binary) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.path, args...)
	c.Dir, c.WaitDelay = b.dir, time.Second
	return c
}
