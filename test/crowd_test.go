package test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/wire"
)

// burden is what the daemon uses: open descriptors, and memory in KiB.
func burden(t *testing.T, r *machine.Realm) (fds, rss int) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", r.Daemon.Cmd.Process.Pid)
	list, err := os.ReadDir(proc + "fd")
	must(t, err)
	status, err := os.ReadFile(proc + "status")
	must(t, err)
	kb := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if kb == nil {
		t.Fatalf("no VmRSS in %s", status)
	}
	rss, err = strconv.Atoi(string(kb[1]))
	must(t, err)
	return len(list), rss
}

// Promise prompts-by-origin.
func TestAThousandPeopleAtThePromptKeepNobodyOut(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	fds, rss := burden(t, r)

	const people = 1000
	crowd := make([]host, people)
	ctx, cancel := context.WithTimeout(t.Context(), machine.Patience)
	defer cancel()
	at(t, people, func(i int) (err error) {
		crowd[i], err = ask(ctx, r, begin(identity.OpAuthenticate).AddString(wire.RemoteHost, fmt.Sprintf("192.0.2.%d.example", i)))
		return err
	})
	if open, with := burden(t, r); open < fds+people {
		t.Fatalf("%d descriptors with %d people: they are not there", open, people)
	} else if with > rss+96<<10 {
		t.Errorf("a thousand people cost %d KiB", with-rss)
	} else {
		t.Logf("a thousand people cost %d KiB", with-rss)
	}
	for who, tries := range map[string]map[string]attempt{
		"root": ways(r, "root", rootPass), local: ways(r, local, localPass), ada: ways(r, ada, adaPass),
	} {
		for name, try := range tries {
			t.Run(who+" by "+name, func(t *testing.T) { lets(t, try, who) })
		}
	}
	t.Run("names are resolved", func(t *testing.T) {
		if out := script(t, r, "getent passwd root ada"); !strings.Contains(out, "ada:x:") || !strings.Contains(out, "root:x:0:") {
			t.Error(out)
		}
	})
	ctx, cancel = context.WithTimeout(t.Context(), 2*machine.Patience)
	defer cancel()
	at(t, people, func(i int) error {
		defer crowd[i].Close()
		password, want := "", identity.Denied // most have thought better of it
		if i%100 == 0 {
			password, want = adaPass, identity.Granted
		}
		code, err := crowd[i].answer(ctx, password)
		if err == nil && code != want {
			err = fmt.Errorf("code %d, want %d", code, want)
		}
		return err
	})
	must(t, r.Eventually(t.Context(), func() error {
		now, with := burden(t, r)
		if now > fds+4 || with > rss+96<<10 {
			return fmt.Errorf("%d descriptors and %d KiB are left, of %d and %d", now, with, fds, rss)
		}
		return nil
	}))
	if strings.Contains(r.Daemon.Output.String(), "panic") {
		t.Error("something panicked")
	}
}

// at does something for everybody at once, and fails with the first that fails.
func at(t *testing.T, people int, do func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, people)
	for i := range people {
		all.Go(func() { errs <- do(i) })
	}
	all.Wait()
	close(errs)
	failed := 0
	for err := range errs {
		if err != nil {
			if failed == 0 {
				t.Error(err)
			}
			failed++
		}
	}
	if failed > 0 {
		t.Fatalf("%d of %d failed", failed, people)
	}
}
