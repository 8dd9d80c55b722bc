// Command mutate breaks a package on purpose, one line at a time, and tells which
// breaks its tests let live.
//
//	go run ./test/mutate [-j N] [-timeout 3m] [-run REGEXP] PACKAGE FILE...
//
// PACKAGE is the one whose tests run, FILEs are Go or C files of any package that it is
// built from. Nothing in the tree is changed: each break is made in a copy of it, one
// for each job. One line is printed for each break:
//
//	killed    the tests fail, or the file does not compile
//	SURVIVED  the tests pass: a check that nothing would miss
//
// The breaks are those that let somebody in: a condition that never holds, one that
// always holds, and each half of an && or || left out. A survivor is no fault by
// itself; it is a line to test, or one to explain. It exits 1 if there is any.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

func main() { os.Exit(run()) }

func run() (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r runner
	jobs := flag.Int("j", runtime.NumCPU(), "how many breaks to try at a time")
	flag.DurationVar(&r.timeout, "timeout", 3*time.Minute, "for the tests of one break")
	flag.StringVar(&r.run, "run", "", "run only the tests that match")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: mutate [-j N] [-timeout 3m] [-run REGEXP] PACKAGE FILE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 2 || *jobs < 1 {
		flag.Usage()
		return 64
	}
	r.pkg = flag.Arg(0)
	survived, err := r.all(ctx, *jobs, flag.Args()[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		return 1
	}
	return min(survived, 1)
}

// runner tries breaks against the tests of one package.
type runner struct {
	pkg, run string
	timeout  time.Duration
}

// all tries every break of the files, and counts the survivors.
func (r *runner) all(ctx context.Context, jobs int, files []string) (survived int, err error) {
	var list []mutant
	for _, f := range files {
		found, err := mutants(f)
		if err != nil {
			return 0, err
		}
		list = append(list, found...)
	}
	// A package whose tests fail anyway would kill everything.
	if err := r.test(ctx, "."); err != nil {
		return 0, fmt.Errorf("the tests fail without any break: %w", err)
	}
	work := make(chan mutant)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range jobs {
		tree, err2 := copyTree(ctx)
		if err2 != nil {
			return 0, err2
		}
		defer os.RemoveAll(tree)
		wg.Go(func() {
			for m := range work {
				alive, err2 := r.try(ctx, tree, m)
				mu.Lock()
				switch {
				case err2 != nil:
					err = errors.Join(err, err2)
				case alive:
					survived++
					fmt.Printf("SURVIVED  %s\n", m)
				default:
					fmt.Printf("killed    %s\n", m)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range list {
		if ctx.Err() != nil {
			break
		}
		work <- m
	}
	close(work)
	wg.Wait()
	fmt.Printf("%d breaks, %d survived\n", len(list), survived)
	return survived, errors.Join(err, ctx.Err())
}

// copyTree copies the files that git knows, as they are now.
func copyTree(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", fmt.Errorf("copy the tree: %w", err)
	}
	const line = `git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`
	if out, err := exec.CommandContext(ctx, "sh", "-c", line, dir).CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("copy the tree: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, nil
}

// try tells whether the tests pass with the break in place.
func (r *runner) try(ctx context.Context, tree string, m mutant) (alive bool, err error) {
	path := filepath.Join(tree, m.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("mutate: %w", err)
	}
	if err := os.WriteFile(path, m.source, 0o600); err != nil {
		return false, fmt.Errorf("mutate: %w", err)
	}
	alive = r.test(ctx, tree) == nil
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		return false, fmt.Errorf("mutate: %w", err)
	}
	return alive, ctx.Err()
}

// test runs the package's tests in a tree.
func (r *runner) test(ctx context.Context, tree string) error {
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", r.timeout.String()}
	if r.run != "" {
		args = append(args, "-run", r.run)
	}
	c := exec.CommandContext(ctx, "go", append(args, r.pkg)...)
	c.Dir = tree
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
