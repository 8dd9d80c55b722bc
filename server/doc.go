// Package server is the identity server: it keeps a realm's accounts, proves
// people's credentials step by step, and gives joined machines signed tokens.
//
// [Init] makes a realm in a folder, [Serve] serves it, [Admin] opens the
// administrator's side of it, beside a running server or without one.
//
// # Who may call what
//
//	RealmService, MachineService.Join,
//	CardService                         anyone who reaches the port
//	DirectoryService, Authentication…   a machine that has joined, known by the
//	                                    Ed25519 key of its TLS client certificate
//	AdminService                        root or the server's own user, on the
//	                                    socket DIR/admin.sock (SO_PEERCRED)
//
// # An authentication
//
// A session lives in this process's memory, belongs to the machine that began
// it, and only moves forward. Begin looks nothing up, so it answers alike for
// every name.
//
//	state      event                               next state, answer
//	(none)     Begin                               password, offers [password]
//	(none)     Step (unknown, finished, expired,
//	           in flight, another machine's)       (none), deny
//	password   a kind that was not offered         (none), deny
//	password   wrong; locked; no such account; no
//	           password set                        (none), deny
//	password   right, account not in good standing (none), deny with the reason
//	password   right, account holds TOTP           totp, offers [totp]
//	password   right, account holds no TOTP        (none), allow
//	password   one line, right as a password       as above
//	password   one line, right as password and     (none), allow
//	           code, account holds TOTP
//	totp       a kind that was not offered         (none), deny
//	totp       wrong; used before; locked; any
//	           credential changed since Begin      (none), deny
//	totp       right                               (none), allow
//	(any allow, where Begin asked to enrol)        new-totp, offers [new-totp]
//	new-totp   wrong, first or second time         new-totp, offers [new-totp]
//	new-totp   wrong the third time; any           (none), deny
//	           credential changed since Begin
//	new-totp   right: the secret is stored         (none), allow
//	any        2 minutes without a step, 10 in     (none)
//	           new-totp
//
// Each step on a password costs one Argon2id computation whatever the account,
// known or not, locked or not; one line that ends in six digits costs two, and
// counts as one failure. Failures are counted by name, whether or not it
// is anyone's, so that being locked tells nothing either.
//
// The audit log gets an authentication's rows when it ends: when it began, and
// what came of it; one that nobody goes on with is "auth.abandon". Begin alone
// writes nothing, so it costs no wait for the disk.
//
// # One-time codes away from the server
//
// A machine gets a TOTP secret only sealed to its own key, and only in the answer
// to a complete authentication, with a code, of that very person on it. The realm
// must have said yes twice: for the machine and for a group of the person. Each
// time is in the audit log. No list and no change stream carries one.
//
// # Card services
//
// A machine's card service and this server prove themselves to each other before a
// PIN is typed, by signed challenges, where [ServeOptions] says with what. A
// challenge of ours is good once and for 2 minutes; ours is the signature only for a
// card service whose key is in the file and that has signed such a challenge. The
// certificate is handed out as it lies in its file and never looked into.
//
// # Soft lock
//
// After 5 failures in a row a name is locked for 30 seconds, and each further
// failure doubles that up to 15 minutes. While it is locked nothing is verified
// and nothing counted. A complete success clears the count; a right password
// before a wrong TOTP code does not. Locks survive restarts, and a clock set
// back does not shorten them.
//
// # Not here
//
// It does not decide who may log in to which machine; that is the machine's
// daemon. It knows no SQL; that is server/store.
package server
