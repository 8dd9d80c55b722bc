package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// hops measures a login by "sallyport ssh" where a rule grants it at once, beside one by a
// key of ada's own to the same sshd. Client, server and target are one machine, so that the
// network takes no time: each question to the server takes a round trip more elsewhere.
func (b *bench) hops(ctx context.Context) error {
	for _, words := range [][]string{
		{"keys", "rotate-ssh"},
		{"rule", "add", "all", "--effect", "grant"},
	} {
		if _, err := b.Admin(ctx, "", words...); err != nil {
			return err
		}
	}
	if o, err := b.SU(ctx, local, ada, adaPass); err != nil || !o.OK() {
		return fmt.Errorf("ada does not sign in: %w\n%s", err, o.Screen)
	}
	if _, err := b.Script(ctx, `echo '127.0.0.1 laptop' >> /etc/hosts; home=$(getent passwd ada | cut -d: -f6)
		install -d -o ada -g ada -m 0700 "$home" "$home/.ssh" "/run/user/$(id -u ada)"; install -o ada -m 600 `+key+` /home/ada-key
		runuser -u ada -- sallyport ssh-config laptop > "$home/.ssh/config"`); err != nil {
		return err
	}
	asAda := func(words ...string) []string {
		return append([]string{"--reuid=ada", "--regid=ada", "--clear-groups"}, words...)
	}
	ways := [][]string{
		asAda("/usr/bin/ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
			"-o", "IdentitiesOnly=yes", "-i", "/home/ada-key", "laptop", "true"),
		asAda("/usr/bin/sallyport", "ssh", "-F", "none", "laptop", "true"),
		asAda("/usr/bin/ssh", "laptop", "true"),
		nil, // below
		asAda("/usr/bin/ssh", "-G", "-F", "none", "laptop"),
		asAda("/usr/bin/sallyport", "version"),
		asAda("/bin/true"),
	}
	if err := b.Eventually(ctx, func() error { _, err := b.Run(ctx, "/usr/bin/setpriv", ways[1]...); return err }); err != nil {
		return err
	}
	config, err := b.kept(ctx, asAda("/usr/bin/sallyport", "ssh", "-F", "none", "laptop", "sleep 1000"))
	if err != nil {
		return err
	}
	ways[3] = asAda("/usr/bin/ssh", "-F", config, "laptop", "true")
	// In turn, so that what else the machine does falls upon all alike; and each once the
	// session before it is over at sshd, too.
	took := make([][]time.Duration, len(ways))
	for range b.runs {
		for i, w := range ways {
			// One session stays.
			if _, err := b.Script(ctx, "timeout 2 sh -c 'while test $(pgrep -c -P "+strconv.Itoa(b.SSHD.Cmd.Process.Pid)+") -gt 1; do :; done'"); err != nil {
				return err
			}
			begin := time.Now()
			if _, err := b.Run(ctx, "/usr/bin/setpriv", w...); err != nil {
				return err
			}
			took[i] = append(took[i], time.Since(begin))
		}
	}
	var m []time.Duration
	for _, t := range took {
		m = append(m, middle(t))
	}
	added := func(d, to time.Duration) string { return fmt.Sprintf("%+.1f ms", float64((d-to).Microseconds())/1000) }
	beside := fmt.Sprintf("ssh with a key of one's own %s; with such a certificate, ready made %s", ms(m[0]), added(m[3], m[0]))
	parts := fmt.Sprintf("; `ssh -G` %s, the start of `sallyport` %s", ms(m[4]-m[6]), ms(m[5]-m[6]))
	b.row("`sallyport ssh host true`, granted at once", ms(m[1])+" ("+added(m[1], m[0])+")", beside+parts)
	b.row("`ssh host true` by `sallyport ssh-config`, granted at once", ms(m[2])+" ("+added(m[2], m[0])+")", beside)
	return b.manyKeys(ctx)
}

// kept begins a login that stays, and returns the configuration that its ssh was run with.
func (b *bench) kept(ctx context.Context, words []string) (string, error) {
	if _, err := b.Start(ctx, "/usr/bin/setpriv", words...); err != nil {
		return "", err
	}
	var config string
	err := b.Eventually(ctx, func() error {
		out, err := b.Script(ctx, "f=$(ls /tmp/sallyport-ssh-*/config); test -s $f; echo $f")
		config = strings.TrimSpace(out)
		return err
	})
	return config, err
}

// manyKeys measures what sshd waits for when somebody has many keys.
func (b *bench) manyKeys(ctx context.Context) error {
	one, err := b.median(ctx, "", "/usr/bin/sallyport-keys", ada)
	if err != nil {
		return err
	}
	if _, err := b.Script(ctx, `for i in $(seq 2 100); do ssh-keygen -q -t ed25519 -N '' -f /root/key$i; done`); err != nil {
		return err
	}
	for i := 2; i <= 100; i++ {
		text, err := os.ReadFile(b.Path(fmt.Sprintf("/root/key%d.pub", i)))
		if err != nil {
			return fmt.Errorf("many keys: %w", err)
		}
		if _, err := b.Admin(ctx, strings.TrimSpace(string(text)), "account", "add-key", ada, "--tag", fmt.Sprint("key", i)); err != nil {
			return err
		}
	}
	if err := b.Eventually(ctx, func() error {
		out, err := b.Run(ctx, "/usr/bin/sallyport-keys", ada)
		if n := strings.Count(out, "ssh-ed25519"); err == nil && n != 100 {
			err = fmt.Errorf("%d keys", n)
		}
		return err
	}); err != nil {
		return err
	}
	hundred, err := b.median(ctx, "", "/usr/bin/sallyport-keys", ada)
	if err != nil {
		return err
	}
	b.row("`sallyport-keys NAME`, 100 keys", ms(hundred), "one key "+ms(one))
	return nil
}

// certificates measures the server's side: one process, a database in a file.
func (b *bench) certificates(ctx context.Context) error {
	per, err := goBench(ctx, "./server/sshca", "2s", "Certify", "Sign")
	if err != nil {
		return err
	}
	b.row("ssh certificates made of a grant that is open, on PostgreSQL", fmt.Sprintf("%.0f /s", 1e9/per["Certify"]), fmt.Sprintf("the signature alone: %.0f /s", 1e9/per["Sign"]))
	return nil
}
