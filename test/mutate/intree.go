package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// c tries the breaks of C files, each with a build of its own in a copy of the tree.
func (r *runner) c(ctx context.Context, files []string) (survived int, err error) {
	var list []mutant
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
		list = append(list, mutantsOfC(f, source)...)
	}
	if list = slices.DeleteFunc(list, func(m mutant) bool { return !r.at.MatchString(m.String()) }); len(list) == 0 {
		return 0, nil
	}
	// A package whose tests fail anyway would kill everything.
	if err := r.test(ctx, "."); err != nil {
		return 0, fmt.Errorf("the tests fail without any break: %w", err)
	}
	var trees []string
	defer func() {
		for _, tree := range trees {
			err = errors.Join(err, os.RemoveAll(tree))
		}
	}()
	return r.each(ctx, list, func() (job, error) {
		tree, err := copyTree(ctx)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
		return func(m mutant) (fate, error) { return r.try(ctx, tree, m) }, nil
	})
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
func (r *runner) try(ctx context.Context, tree string, m mutant) (fate, error) {
	path := filepath.Join(tree, m.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("mutate: %w", err)
	}
	if err := os.WriteFile(path, m.source, 0o600); err != nil {
		return "", fmt.Errorf("mutate: %w", err)
	}
	what := killed
	if r.test(ctx, tree) == nil {
		what = lived
	}
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		return "", fmt.Errorf("mutate: %w", err)
	}
	return what, ctx.Err()
}

// test runs the packages' tests in a tree.
func (r *runner) test(ctx context.Context, tree string) error {
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", r.timeout.String()}
	if r.run != "" {
		args = append(args, "-run", r.run)
	}
	c := exec.CommandContext(ctx, "go", append(args, r.packages...)...)
	c.Dir = tree
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
