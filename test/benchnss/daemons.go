package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// The peers that are daemons.

// nscd's own settings but for the room that 100,000 people need, and for how long an
// answer is good: longer than the measurement.
const nscdConf = `server-user root
paranoia no
`

const nscdTable = `enable-cache %[1]s yes
positive-time-to-live %[1]s 86400
negative-time-to-live %[1]s 20
suggested-size %[1]s 20011
check-files %[1]s yes
persistent %[1]s yes
shared %[1]s yes
max-db-size %[1]s 1073741824
`

// startNSCD puts everybody into passwd(5) and group(5), with nscd before them.
func startNSCD(ctx context.Context, m *machine.Machine, n int) (*running, error) {
	passwd, group := files(n)
	for path, lines := range map[string][]string{"/etc/passwd": passwd, "/etc/group": group} {
		local, err := os.ReadFile(m.Path(path))
		if err != nil {
			return nil, fmt.Errorf("nscd: %w", err)
		}
		if err := m.WriteFile(path, string(local)+text(lines), 0o644); err != nil {
			return nil, err
		}
	}
	for path, body := range map[string]string{"/etc/nscd.conf": nscdConf + fmt.Sprintf(nscdTable, "passwd") + fmt.Sprintf(nscdTable, "group"), "/etc/nsswitch.conf": "passwd: files\ngroup: files\n"} {
		if err := m.WriteFile(path, body, 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := m.Script(ctx, "mkdir -p /var/run/nscd /var/cache/nscd"); err != nil {
		return nil, err
	}
	if _, err := m.Start(ctx, "/usr/sbin/nscd", "-F"); err != nil {
		return nil, err
	}
	if err := until(ctx, m, "test -S /var/run/nscd/socket && nscd -g"); err != nil {
		return nil, err
	}
	memory, err := residents(ctx, m, "nscd")
	return &running{
		warm: true, facts: map[string]figure{"memory": memory},
		halt: func(ctx context.Context) error { _, err := m.Script(ctx, "kill -STOP $(pidof nscd)"); return err },
	}, err
}

// until waits for a command to succeed.
func until(ctx context.Context, m *machine.Machine, command string) error {
	for {
		one, cancel := context.WithTimeout(ctx, askPatience)
		_, err := m.Script(one, command)
		cancel()
		if err == nil {
			return nil
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// residents is the memory of these programs.
func residents(ctx context.Context, m *machine.Machine, programs string) (figure, error) {
	out, err := m.Script(ctx, `cat $(for p in $(pidof `+programs+`); do echo /proc/$p/status; done) | awk '/^VmRSS/ {s += $2} END {print s * 1024}'`)
	return parsed(out), err
}

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/slapd.pid
sizelimit unlimited
database mdb
maxsize 8589934592
suffix "dc=bench"
directory /var/lib/bench-ldap
index objectClass,uid,uidNumber,gidNumber,cn,memberUid eq
`

// SSSD as people run it, with an LDAP server; the default size of each of its mapped
// caches, about 10 MB, holds 10,000 people. The times are longer than the measurement:
// by default a hit is one for five minutes, and costs as much as a miss of the mapped
// cache again after that.
const sssdConf = `[sssd]
services = nss
domains = bench

[nss]
memcache_timeout = 86400
memcache_size_passwd = %[1]d
memcache_size_group = %[1]d
memcache_size_initgroups = %[1]d

[domain/bench]
id_provider = ldap
ldap_uri = ldap://127.0.0.1
ldap_search_base = dc=bench
ldap_schema = rfc2307
entry_cache_timeout = 86400
`

// ldif is the realm for slapadd(8).
func ldif(n int) string {
	passwd, group := files(n)
	var b strings.Builder
	b.WriteString("dn: dc=bench\nobjectClass: domain\ndc: bench\n\n")
	for _, l := range passwd {
		f := strings.Split(l, ":")
		fmt.Fprintf(&b, "dn: uid=%[1]s,dc=bench\nobjectClass: account\nobjectClass: posixAccount\nuid: %[1]s\ncn: %[1]s\n"+
			"uidNumber: %[2]s\ngidNumber: %[3]s\ngecos: %[4]s\nhomeDirectory: %[5]s\nloginShell: %[6]s\n\n", f[0], f[2], f[3], f[4], f[5], f[6])
	}
	for _, l := range group {
		f := strings.Split(l, ":")
		fmt.Fprintf(&b, "dn: cn=%[1]s,dc=bench\nobjectClass: posixGroup\ncn: %[1]s\ngidNumber: %[2]s\n", f[0], f[2])
		for m := range strings.SplitSeq(f[3], ",") {
			fmt.Fprintf(&b, "memberUid: %s\n", m)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// startSSSD runs slapd with everybody, and SSSD at it, and waits until it knows somebody.
func startSSSD(ctx context.Context, m *machine.Machine, n int) (*running, error) {
	for path, body := range map[string]string{
		"/etc/bench/slapd.conf": slapdConf, "/etc/bench/realm.ldif": ldif(n), "/etc/sssd/sssd.conf": fmt.Sprintf(sssdConf, max(10, n/1000)),
	} {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(path, "sssd.conf") {
			mode = 0o600
		}
		if err := m.WriteFile(path, body, mode); err != nil {
			return nil, err
		}
	}
	if _, err := m.Script(ctx, "mkdir -p /var/lib/bench-ldap && slapadd -q -f /etc/bench/slapd.conf -l /etc/bench/realm.ldif"); err != nil {
		return nil, err
	}
	if _, err := m.Start(ctx, "/usr/sbin/slapd", "-f", "/etc/bench/slapd.conf", "-h", "ldap://127.0.0.1", "-d", "0"); err != nil {
		return nil, err
	}
	if _, err := m.Start(ctx, "/usr/sbin/sssd", "-i", "--logger=stderr"); err != nil {
		return nil, err
	}
	if err := until(ctx, m, "getent -s sss passwd user"+strconv.Itoa(n-1)); err != nil {
		return nil, err
	}
	size, err := m.Script(ctx, `cat /var/lib/sss/mc/* /var/lib/sss/db/*bench* | wc -c`)
	if err != nil {
		return nil, err
	}
	memory, err := residents(ctx, m, "sssd sssd_be sssd_nss")
	return &running{
		warm: true, facts: map[string]figure{"disk": parsed(size), "memory": memory},
		halt: func(ctx context.Context) error {
			_, err := m.Script(ctx, `kill -STOP $(pidof sssd sssd_be sssd_nss)`)
			return err
		},
	}, err
}
