package userdb

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Become gives the process the ids of a local account, and no others, for good.
//
// systemd's User= cannot do it: it asks the name service for the account's groups
// before the program runs, which asks every service of the user database, which
// is this one, which has not started. It would wait for itself for 45 seconds.
func Become(passwd, name string) error {
	uid, gid, err := idsOf(passwd, name)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("become %s: groups: %w", name, err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("become %s: gid %d: %w", name, gid, err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("become %s: uid %d: %w", name, uid, err)
	}
	return nil
}

// idsOf reads passwd(5) itself: no name service may be asked here. Root is nobody
// to become.
func idsOf(passwd, name string) (uid, gid int, err error) {
	f, err := os.Open(passwd)
	if err != nil {
		return 0, 0, fmt.Errorf("become %s: %w", name, err)
	}
	defer f.Close() //nolint:errcheck // only read
	for in := bufio.NewScanner(f); in.Scan(); {
		fields := strings.Split(in.Text(), ":")
		if len(fields) < 4 || fields[0] != name {
			continue
		}
		u, uerr := strconv.ParseUint(fields[2], 10, 31)
		g, gerr := strconv.ParseUint(fields[3], 10, 31)
		if uerr != nil || gerr != nil || u == 0 || g == 0 {
			return 0, 0, fmt.Errorf("become %s: %s says uid %q, gid %q", name, passwd, fields[2], fields[3])
		}
		return int(u), int(g), nil
	}
	return 0, 0, fmt.Errorf("become %s: not in %s", name, passwd)
}
