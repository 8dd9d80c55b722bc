// Package clients logs people in through programs of every day that are not Debian's
// base: a web server, an IMAP and an FTP server, Ansible, a proxy, jobs, other sudos.
// Each runs as its package installs it, on a whole machine that systemd-nspawn(1) boots
// from a root folder of its own (packaging/client-packages), with our build installed.
//
// They are run by "make test-clients" alone: a root folder takes some minutes to make.
package clients
