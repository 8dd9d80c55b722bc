package module_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// variant is the module and a host program built in one way. Nearly all tests
// run in both: plain as it ships, and with AddressSanitizer and UBSan.
type variant struct {
	name, host, module string
}

// built is where TestMain put what the tests load.
type built struct {
	dir, reveal, passwd string
	variants            []variant
	// prompt is the plain module with the deadline that it ships with; the
	// others wait longer, so that a busy test machine is not a dead daemon.
	prompt variant
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
	if err := watch("*.[ch]", "testdata/*.c", "fuzz/*.c", "fuzz/corpus/*", "../../wire/cwire/*.h"); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	b.dir, b.reveal, b.passwd = dir, filepath.Join(dir, "pam_reveal.so"), filepath.Join(dir, "passwd")
	if err := os.WriteFile(b.passwd, []byte("root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n"), 0o644); err != nil {
		return err
	}
	if err := cc("-shared", "-fPIC", "-o", b.reveal, "testdata/reveal.c", "-lpam"); err != nil {
		return err
	}
	for _, v := range []struct {
		name  string
		ms    int
		flags []string
	}{
		{"plain", 10000, nil},
		{"sanitized", 10000, []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}},
		{"shipped", 50, nil},
	} {
		out := variant{v.name, filepath.Join(dir, "host-"+v.name), filepath.Join(dir, "pam_"+v.name+".so")}
		flags := append([]string{"-g", "-O1"}, v.flags...)
		if err := cc(append(flags, "-o", out.host, "testdata/host.c", "-lpam", "-lpthread")...); err != nil {
			return err
		}
		sources, err := filepath.Glob("*.c")
		if err != nil {
			return err
		}
		flags = append(flags, "-fPIC", "-shared", "-fvisibility=hidden", "-I../../wire/cwire",
			fmt.Sprintf("-DSALLYPORT_PAM_ACKNOWLEDGE_MS=%d", v.ms), fmt.Sprintf("-DSALLYPORT_PASSWD_FILE=%q", b.passwd),
			"-o", out.module)
		if err := cc(append(append(flags, sources...), "-lpam")...); err != nil {
			return err
		}
		if v.ms == 50 {
			b.prompt = out
		} else {
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
