// Package sessions has ssh sessions told or ended whose grant was ended before its time. The
// daemon, which may do neither, keeps a list of them in its state folder; a unit of systemd
// watches that file and starts sallyport-sessions(8), which runs as root.
//
// The list is of an unprivileged daemon, so little is believed of it. It is acted on only
// for a process that
//
//	began when the list says, and is root's own, as sshd's are
//	leads the logind session that it is in; that is sshd's, of a user, and remote
//	began it for the uid that the list says, which is none of passwd(5)
//
// So whoever took over the daemon can end ssh sessions of the realm's people, whom it lets
// in anyway, and nothing else.
//
// A session is all of its scope in systemd, also what was put into the background there.
// What a person's own user manager runs is not in it, and goes on.
package sessions
