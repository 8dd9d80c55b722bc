package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	ada, adaPass     = "ada", "correct horse battery"
	local, localPass = "local", "staple of the machine"
	key              = "/root/key"
)

// bench collects rows of the table.
type bench struct {
	*machine.Realm
	runs     int
	accounts int // of the realm, so far
	rows     [][3]string
}

func (b *bench) row(what, value, beside string) {
	b.rows = append(b.rows, [3]string{what, value, beside})
}

func (b *bench) print(w io.Writer) {
	fmt.Fprintln(w, "| what | measured | beside it |\n|---|---|---|")
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s | %s | %s |\n", r[0], r[1], r[2])
	}
}

func (b *bench) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		b.Install,
		func(ctx context.Context) error {
			_, err := b.Script(ctx, `
				useradd -m -s /bin/bash `+local+`; echo '`+local+`:`+localPass+`' | chpasswd
				printf 'ada ALL=(ALL) NOPASSWD: ALL\nlocal ALL=(ALL) NOPASSWD: ALL\n' > /etc/sudoers.d/bench; chmod 0440 /etc/sudoers.d/bench
				ssh-keygen -q -t ed25519 -N '' -f `+key+`
				install -d -o local -m 700 /home/local/.ssh; install -o local -m 600 `+key+`.pub /home/local/.ssh/authorized_keys
				printf 'MaxStartups 100\n' > /etc/ssh/sshd_config.d/90-bench.conf`)
			return err
		},
		b.StartServer,
		func(ctx context.Context) error {
			b.accounts++
			return b.AddPerson(ctx, ada, adaPass, key+".pub", "admins")
		},
		b.Join, b.withoutStepUp, b.StartDaemon, b.WaitOnline, b.StartSSHD,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// median runs a command and returns the median of its time.
func (b *bench) median(ctx context.Context, input, name string, args ...string) (time.Duration, error) {
	var all []time.Duration
	for range b.runs {
		begin := time.Now()
		if _, err := b.RunInput(ctx, input, name, args...); err != nil {
			return 0, err
		}
		all = append(all, time.Since(begin))
	}
	return middle(all), nil
}

// middle is the median.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func (b *bench) modules(ctx context.Context) error {
	program, err := b.compile(ctx, "load")
	if err != nil {
		return err
	}
	dir := strings.TrimSpace(mustRun(b.Run(ctx, "gcc", "-print-multiarch")))
	for _, m := range []struct{ ours, peer string }{
		{"/usr/lib/" + dir + "/security/pam_sallyport.so", "/usr/lib/" + dir + "/security/pam_unix.so"},
		{"/usr/lib/" + dir + "/libnss_sallyport.so.2", "/usr/lib/" + dir + "/libnss_compat.so.2"},
	} {
		ours, err := b.load(ctx, program, m.ours)
		if err != nil {
			return err
		}
		peer, err := b.load(ctx, program, m.peer)
		if err != nil {
			return err
		}
		name, other := filepath.Base(m.ours), filepath.Base(m.peer)
		b.row(name+": size", fmt.Sprintf("%d KiB", ours.size/1024), fmt.Sprintf("%s %d KiB", other, peer.size/1024))
		b.row(name+": load and unload", fmt.Sprintf("%.0f µs", ours.NS/1000), fmt.Sprintf("%s %.0f µs", other, peer.NS/1000))
		b.row(name+": threads of the host before and after", fmt.Sprintf("%d, %d", ours.ThreadsBefore, ours.ThreadsAfter), "equal")
	}
	return nil
}

type loaded struct {
	NS            float64 `json:"ns"`
	ThreadsBefore int     `json:"threads_before"`
	ThreadsAfter  int     `json:"threads_after"`
	size          int64
}

func (b *bench) load(ctx context.Context, program, path string) (loaded, error) {
	var l loaded
	out, err := b.Run(ctx, program, path, "500")
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		return l, fmt.Errorf("load: %w", err)
	}
	info, err := os.Stat(b.Path(path))
	if err != nil {
		return l, fmt.Errorf("load: %w", err)
	}
	l.size = info.Size()
	return l, nil
}

func mustRun(out string, err error) string {
	if err != nil {
		return ""
	}
	return out
}

// phase runs f for a local account without us, for it with us, and for a person of
// the realm, online and offline.
func (b *bench) phases(ctx context.Context, what string, f func(ctx context.Context, name string) (time.Duration, error)) error {
	if _, err := b.Script(ctx, "/usr/share/sallyport/configure-host disable"); err != nil {
		return err
	}
	alone, err := f(ctx, local)
	if err != nil {
		return err
	}
	if _, err := b.Script(ctx, "/usr/share/sallyport/configure-host enable"); err != nil {
		return err
	}
	beside := "pam_unix alone " + ms(alone)
	for _, c := range []struct{ how, name string }{{"local account, with us installed", local}, {"person of the realm, online", ada}} {
		d, err := f(ctx, c.name)
		if err != nil {
			return err
		}
		b.row(what+", "+c.how, fmt.Sprintf("%s (%+.1f ms)", ms(d), float64((d-alone).Microseconds())/1000), beside)
	}
	return b.whileOffline(ctx, func() error {
		d, err := f(ctx, ada)
		if err == nil {
			b.row(what+", person of the realm, offline", fmt.Sprintf("%s (%+.1f ms)", ms(d), float64((d-alone).Microseconds())/1000), beside)
		}
		return err
	})
}

func (b *bench) whileOffline(ctx context.Context, f func() error) error {
	if err := b.Server.Stop(ctx); err != nil {
		return err
	}
	if err := b.WaitOffline(ctx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	if err := b.StartServer(ctx); err != nil {
		return err
	}
	return b.WaitOnline(ctx)
}

func (b *bench) hosts(ctx context.Context) error {
	err := b.phases(ctx, "`sudo true` (account and session)", func(ctx context.Context, name string) (time.Duration, error) {
		return b.median(ctx, "", "/usr/bin/setpriv", "--reuid="+name, "--regid="+name, "--clear-groups", "/usr/bin/sudo", "-n", "true")
	})
	if err != nil {
		return err
	}
	return b.phases(ctx, "`ssh host true` with a key", func(ctx context.Context, name string) (time.Duration, error) {
		return b.median(ctx, "", "/usr/bin/ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			"-o", "LogLevel=ERROR", "-i", key, name+"@127.0.0.1", "true")
	})
}

func (b *bench) keys(ctx context.Context) error {
	nothing, err := b.median(ctx, "", "/bin/true")
	if err != nil {
		return err
	}
	d, err := b.median(ctx, "", "/usr/bin/sallyport-keys", ada)
	if err != nil {
		return err
	}
	b.row("`sallyport-keys NAME`, the whole process", ms(d), "/bin/true "+ms(nothing))
	return nil
}

// passwords measures whole password logins through PAM, and takes off what Argon2
// costs on purpose: on the server when online, on the machine when offline.
func (b *bench) passwords(ctx context.Context) error {
	login := func(name, pass string) (time.Duration, error) {
		return b.median(ctx, pass+"\n", "/usr/bin/sallyport", "auth-test", name, "--service", "login")
	}
	alone, err := login(local, localPass)
	if err != nil {
		return err
	}
	online, err := login(ada, adaPass)
	if err != nil {
		return err
	}
	server := argonTime(2, 19<<10)
	b.row("password login online, less the server's Argon2", ms(online-server), fmt.Sprintf("pam_unix with yescrypt %s; Argon2 %s", ms(alone), ms(server)))
	if err := b.registered(ctx, func() error {
		d, err := login(ada, adaPass)
		b.row("password login by OPAQUE, less the machine's Argon2 for it", ms(d-server), "password login online less the server's Argon2 "+ms(online-server))
		return err
	}); err != nil {
		return err
	}
	return b.whileOffline(ctx, func() error {
		offline, err := login(ada, adaPass)
		machine := argonTime(3, 64<<10)
		b.row("password login offline, less the machine's Argon2", ms(offline-machine), fmt.Sprintf("pam_unix with yescrypt %s; Argon2 %s", ms(alone), ms(machine)))
		return err
	})
}

// registered does something while ada's password is one that is registered by OPAQUE.
func (b *bench) registered(ctx context.Context, do func() error) error {
	if _, err := b.Admin(ctx, "", "realm", "set", "--opaque-passwords=true"); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if _, err := b.median(ctx, adaPass+"\n", "/usr/bin/sallyport", "auth-test", ada, "--service", "login"); err != nil { // the first one registers it
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if _, err := b.Admin(ctx, "", "realm", "set", "--opaque-passwords=false"); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	_, err := b.Admin(ctx, adaPass, "account", "set-password", ada)
	return err //nolint:wrapcheck // it says what it is about
}

func argonTime(passes, memory uint32) time.Duration {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	var all []time.Duration
	for range 9 {
		begin := time.Now()
		argon2.IDKey([]byte(adaPass), salt, passes, memory, 1, 32)
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
