// Command mutate breaks a package on purpose, one condition at a time, and tells which
// breaks its tests let live.
//
//	go run ./test/mutate [-j N] [-timeout 3m] [-run REGEXP] [-at REGEXP] [-longest D] [-patience D] PACKAGE[,PACKAGE] FILE...
//
// PACKAGEs are those whose tests run, FILEs are Go or C files of any package that
// these are built from. Nothing in the tree is changed. One line is printed for each break:
//
//	killed     a test fails, or the file does not compile
//	SURVIVED   the tests pass: a check that nothing would miss
//	DOUBTFUL   the tests that -patience allows pass, and there are more
//	UNREACHED  no test gets as far as the condition
//
// The breaks are those that let somebody in: a condition that never holds, one that
// always holds, and each half of an && or || left out. What is not killed is no fault
// by itself; it is a line to test, or one to explain. It exits 1 if there is any. Only
// breaks are tried whose printed line matches -at.
//
// Breaks of Go are built once, all into one test binary, where the environment says
// which one holds. Each test runs once alone, to learn how long it takes and which
// conditions it gets to. Then a break meets only the tests that get to it: those that
// killed the last ones first, then the quick ones that get to little else. Tests that
// take longer than -longest are left out, which is told.
// Breaks of C are built and tested one by one, in a copy of the tree for each job.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() { os.Exit(run()) }

func run() (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r runner
	flag.IntVar(&r.jobs, "j", runtime.NumCPU(), "how many breaks to try at a time")
	flag.DurationVar(&r.timeout, "timeout", 3*time.Minute, "for the tests of one break")
	flag.DurationVar(&r.longest, "longest", time.Hour, "leave out tests of Go that take longer")
	flag.DurationVar(&r.patience, "patience", time.Hour, "for one break of Go: leave out what its tests take beyond that")
	at := flag.String("at", "", "try only the breaks whose printed line matches")
	flag.StringVar(&r.run, "run", "", "run only the tests that match")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: mutate [-j N] [-timeout 3m] [-run REGEXP] [-at REGEXP] [-longest D] [-patience D] PACKAGE[,PACKAGE] FILE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 2 || r.jobs < 1 {
		flag.Usage()
		return 64
	}
	r.packages = strings.Split(flag.Arg(0), ",")
	var err error
	if r.at, err = regexp.Compile(*at); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		return 64
	}
	survived, err := r.all(ctx, flag.Args()[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		return 1
	}
	return min(survived, 1)
}

// runner tries breaks against the tests of packages.
type runner struct {
	packages                   []string
	run                        string
	at                         *regexp.Regexp
	jobs                       int
	timeout, longest, patience time.Duration
}

// all tries every break of the files, and counts the survivors.
func (r *runner) all(ctx context.Context, files []string) (survived int, err error) {
	var ofGo, ofC []string
	for _, f := range files {
		if filepath.Ext(f) == ".c" {
			ofC = append(ofC, f)
		} else {
			ofGo = append(ofGo, f)
		}
	}
	if len(ofGo) > 0 {
		survived, err = r.golang(ctx, ofGo)
	}
	if len(ofC) > 0 && err == nil {
		var more int
		more, err = r.c(ctx, ofC)
		survived += more
	}
	return survived, err
}

// each hands the breaks to the jobs, prints what became of each, and counts those that
// were not killed. A job is made by start, which is called once for each.
func (r *runner) each(ctx context.Context, list []mutant, start func() (job, error)) (survived int, err error) {
	work := make(chan mutant)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range r.jobs {
		j, err2 := start()
		if err2 != nil {
			return 0, err2
		}
		wg.Go(func() {
			for m := range work {
				what, err2 := j(m)
				mu.Lock()
				err = errors.Join(err, err2)
				if err2 == nil {
					fmt.Printf("%-9s  %s\n", what, m)
				}
				if what != killed {
					survived++
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

// job tries one break and says what became of it.
type job func(mutant) (fate, error)

type fate string

const (
	killed    fate = "killed"
	lived     fate = "SURVIVED"
	doubtful  fate = "DOUBTFUL"
	unreached fate = "UNREACHED"
)
