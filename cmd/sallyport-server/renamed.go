package main

// What an administrator has to do after a rename, on standard error, so that it is in no
// program's way. Old name, new name, home.
const (
	renamedAccount = `%[1]s is now called %[2]s. Uid, uuid, password, keys and groups stay. The home stays %[3]s.
Machines that are connected know it within two seconds. Sessions that are open go on.
These name people, not ids. On each machine, change the old name in:
  sudoers, AllowUsers, DenyUsers and "Match User" of sshd_config, access.conf, polkit rules,
  crontabs (/var/spool/cron/crontabs/%[1]s), at.allow and cron.allow, units with User=%[1]s
Until that is done, do not give the name %[1]s to another person: what still names it would be theirs.
`
	renamedGroup = `%[1]s is now called %[2]s. Gid, uuid, members and what it demands stay.
Machines that are connected know it within two seconds.
These name groups, not ids. On each machine, change the old name in:
  sudoers (%%%[1]s), AllowGroups, DenyGroups and "Match Group" of sshd_config, access.conf, polkit rules
sallyportd.toml names groups by uuid, so nothing changes there.
Until that is done, do not give the name %[1]s to another group: what still names it would be its members'.
`
)
