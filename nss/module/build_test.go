package module_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/wire"
)

// variant is the library and a host program built in one way. Nearly all tests
// run in both: plain as it ships, and with AddressSanitizer and UBSan.
type variant struct{ name, dir, host, mapped string }

type built struct {
	dir, socket string
	cache       string // the folder of the snapshot; "directory" in it
	variants    []variant
	shipped     variant // with the deadline that it ships with
	threads     variant // with ThreadSanitizer
}

var the built

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		panic(err)
	}
	if err := the.build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func (b *built) build(dir string) error {
	if err := watch("*.[ch]", "testdata/*.[ch]", "fuzz/*.c", "fuzz/corpus/*/*", "../../wire/cwire/*.h"); err != nil {
		return err
	}
	b.dir, b.socket, b.cache = dir, filepath.Join(dir, "lookup.sock"), filepath.Join(dir, "cache")
	if err := os.Mkdir(b.cache, 0o755); err != nil {
		return err
	}
	passwd := filepath.Join(dir, "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n"), 0o644); err != nil {
		return err
	}
	sources, err := filepath.Glob("*.c")
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name  string
		ms    int
		flags []string
	}{
		{"plain", 10000, nil},
		// Without SSE2, so that the code for other processors is run, too.
		{"sanitized", 10000, []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-U__SSE2__"}},
		{"threads", 10000, []string{"-fsanitize=thread"}},
		{"shipped", 50, nil},
	} {
		out := variant{v.name, filepath.Join(dir, v.name), filepath.Join(dir, v.name, "host"), filepath.Join(dir, v.name, "mapped")}
		if err := os.Mkdir(out.dir, 0o755); err != nil {
			return err
		}
		flags := append([]string{"-g", "-O1"}, v.flags...)
		for program, source := range map[string]string{out.host: "testdata/host.c", out.mapped: "testdata/mapped.c"} {
			if err := cc(append(flags, "-o", program, source, "-ldl", "-lpthread")...); err != nil {
				return err
			}
		}
		flags = append(flags, "-fPIC", "-shared", "-fvisibility=hidden", "-I../../wire/cwire",
			fmt.Sprintf("-DSALLYPORT_ACKNOWLEDGE_MS=%d", v.ms), "-DSALLYPORT_LOOKUP_DEADLINE_MS=10000",
			fmt.Sprintf("-DSALLYPORT_PASSWD_FILE=%q", passwd), fmt.Sprintf("-DSALLYPORT_LOOKUP_SOCKET=%q", b.socket),
			fmt.Sprintf("-DSALLYPORT_DIRECTORY=%q", b.cache),
			"-Wl,-soname,libnss_sallyport.so.2,-z,nodelete", "-o", filepath.Join(out.dir, "libnss_sallyport.so.2"))
		if err := cc(append(flags, sources...)...); err != nil {
			return err
		}
		switch v.name {
		case "shipped":
			b.shipped = out
		case "threads":
			b.threads = out
		default:
			b.variants = append(b.variants, out)
		}
	}
	return nil
}

// watch reads what the compiler will read, so that the go command knows that the
// tests depend on it and does not answer from its cache.
func watch(globs ...string) error {
	for _, g := range globs {
		names, err := filepath.Glob(g)
		if err != nil || len(names) == 0 {
			return fmt.Errorf("no %s: %w", g, err)
		}
		for _, n := range names {
			if _, err := os.ReadFile(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func cc(args ...string) error {
	args = append([]string{"-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"}, args...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("gcc %v: %w\n%s", args, err, out)
	}
	return nil
}

// run starts the host program and returns what it printed.
func (v variant) run(t *testing.T, steps ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, v.host, steps...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+v.dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("host %v: %v\n%s%s", steps, err, out.String(), errs.String())
	}
	return out.String()
}

func want(t *testing.T, got string, lines ...string) {
	t.Helper()
	if w := strings.Join(lines, "\n") + "\n"; got != w {
		t.Errorf("the host printed:\n%swant:\n%s", got, w)
	}
}

// both runs f once with the library as it ships and once with sanitizers.
func both(t *testing.T, f func(t *testing.T, v variant)) {
	t.Helper()
	for _, v := range the.variants {
		t.Run(v.name, func(t *testing.T) { f(t, v) })
	}
}

// serve runs the real server with a directory until the test ends.
func serve(t *testing.T, d nss.Directory) {
	t.Helper()
	l, err := wire.Listen(the.socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := &nss.Server{Directory: d, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// fake listens and hands each connection to f, which may misbehave.
func fake(t *testing.T, f func(c *net.UnixConn)) {
	t.Helper()
	l, err := wire.Listen(the.socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
}
