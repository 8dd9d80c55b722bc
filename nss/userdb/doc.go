// Package userdb shows the directory to systemd: userdbctl(1), logind, login
// managers and nss-systemd(8) ask every service below /run/systemd/userdb over
// the User/Group Record Lookup API (https://systemd.io/USER_GROUP_API), and this
// one answers as io.sallyport.
//
// Whoever asks systemd for a name asks this service too, for people of the
// machine itself as well, and waits for it. So it promises:
//
//   - It answers from the directory snapshot, in a process of its own: a daemon that is
//     gone or hangs delays nobody. Only for what the file cannot decide is the
//     daemon asked, and it has 50 ms to say that it works on it.
//   - A name or id that the machine's own files have is never answered, even
//     before the daemon has noticed that it is there.
//   - "No such record" is said only with authority; who cannot tell says
//     ServiceNotAvailable.
//   - No record has a privileged part, and each is marked incomplete: to nss-systemd
//     that means "no entry in shadow(5)". Without the mark it would make one with a
//     locked password, and pam_unix would call the account locked.
//   - One peer's faults end its connection and no other. Messages, connections and
//     silence are bounded.
//
// It holds no secret, decides nothing about people and keeps no cache. Local groups
// that an administrator gave to the directory's people stand among the groups of
// a person, as they do in id(1); they are answered as groups by the machine itself.
//
// The protocol is varlink (https://varlink.org): JSON objects, each ended by a
// NUL byte, over a stream. What is needed of it is one file, varlink.go; a
// library's code generator and bridges would be more to trust than that.
//
//	method          with            answers
//	GetUserRecord   userName, uid   one record; both must agree
//	                neither         all, if "more" is said
//	GetGroupRecord  groupName, gid  the same
//	GetMemberships  userName        one pair for each group of a person
//	                groupName       one pair for each member
//	                both            that pair
//	                neither         all pairs
package userdb
