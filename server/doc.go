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
// # Histories
//
// Each start begins a history (store/history.go): revisions, epochs and positions of two
// copies of one database never meet. A machine whose position is not in the chain is
// told that changes were lost. That the server itself lost changes is shown by the mark
// outside the folder, or by a token that the realm signed and the database does not know:
// then every account gets a new revision, new ids leave a gap, and log and audit say so.
//
// # Keys
//
// The realm key signs the key list, in the folder or by commands that bring it. The
// list is written before the database names a new signing key, so that no machine sees
// a token whose key it cannot know; whoever opens the folder signs it anew where it does
// not say what is so. Without the realm key that is a problem that ShowKeys tells, and
// serving goes on. docs/keys.md is the page for people.
//
// # An authentication
//
// A session lives in this process's memory, belongs to the machine that began
// it, and only moves forward. Its state is what was proved, what is offered, and
// the nonce for a card's challenge. Begin looks nothing up, so it answers alike for
// every name.
//
//	state      event                               next state, answer
//	(none)     Begin                               offers [password, password+totp,
//	                                               piv] with a nonce
//	(none)     Step (unknown, finished, expired,
//	           in flight, another machine's)       (none), deny
//	offered    a kind that was not offered         (none), deny
//	offered    wrong; used before; locked; no such
//	           account or credential               (none), deny
//	offered    a right answer of a card that was
//	           revoked or is out of its dates      (none), deny with the reason
//	offered    right, account not in good standing (none), deny with the reason
//	offered    right, not enough yet               offers what leads there
//	offered    right, enough, more is asked for    offers all that is held and not
//	           and there is more                   proved
//	offered    right, enough, by a password that
//	           is due, and the machine does not
//	           ask for a new one, or a factor is
//	           to be made or taken away            (none), deny with the reason
//	offered    right, enough                       (none), allow; by a password that is due
//	                                               with a token that earned nothing and
//	                                               ends in 10 minutes
//	           where Begin asked for a factor:
//	           to enrol totp, piv                  new-totp, new-piv
//	           to enrol backup-code, to remove     (none), allow; deny with the
//	                                               reason if it cannot be
//	new-totp   wrong, first or second time         new-totp
//	new-totp   wrong the third time                (none), deny
//	new-piv    no card's right answer; a card that
//	           may not be the account's            (none), deny with the reason
//	new-…      right: it is stored                 (none), allow
//	any        the allow, and what was proved is
//	           not held any more or not enough     (none), deny
//	any        2 minutes without a step, 10 in     (none)
//	           new-…
//
// What is enough for a login is decided by identity.Enough, and what leads there by
// identity.Next; the strongest comes first, by the realm's points. A factor is added
// or given up only by who proved one that counts as much: to give it up always, to
// add it where the account holds any. So a stolen password adds no card beside
// another. What stronger groups and services demand is the machine's to judge, which
// therefore asks for more; the session token names the groups whose demands were met.
//
// What is good only once (a one-time code, a backup code, a nonce) is used when the
// step that took it is answered, whatever becomes of the session.
//
// # Cards and backup codes
//
// A card signs identity.CardChallenge: realm, machine, account, service as begun, and
// the nonce of this step. A card that the person gives up is revoked, like one that
// the administrator revokes: its certificate and its key are known and not taken
// again, until the administrator removes it. Whether the key was made in the card is
// shown by the card's attestation, if the realm trusts its maker.
//
// Backup codes are random, so they are kept as HMACs; the last one that is used leaves
// an empty set, which is offered no more. They go with the TOTP secret that they stand
// in for. Using one gives the account a new revision and no credential a new epoch.
//
// Each step on a password costs one Argon2id computation whatever the account,
// known or not, locked or not; one line that ends in six digits costs two, and
// counts as one failure. A password that is typed in another form than the one that is
// hashed (identity/opaque) costs twice as much, and is one guess. Failures are counted whether or not the name is anyone's, and
// what is locked is answered like what is wrong, so being locked tells nothing either.
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
// # Locks
//
// Wrong answers are counted for each factor of a name (passwords, codes of both kinds,
// cards), where they come from. A machine says where on it an attempt comes from, see
// identity.Origin; that is a word about itself, and counts among its own rows only.
//
//	rule     counted over            locks                     how
//	origin   one origin of one       that origin               the 5th in a row for 30 s, each
//	         machine                                           further one doubles it, at most
//	                                                           15 min; forgotten after a day
//	                                                           without any
//	machine  all origins of one      on that machine, origins  the 20th for 1 min, doubling, at
//	         machine that it could   from which the person     most 1 h; one is forgotten each
//	         lock                    has not signed in within  hour
//	                                 90 days; never the seat
//	realm    all machines that it    machines on which the     the 50th for 5 min, doubling, at
//	         could lock              person has not signed in  most 1 h; one is forgotten each
//	                                 within 90 days            30 min
//
// An attempt is judged by every rule that could lock it, and its failure is counted by
// the same rules and by no other:
//
//	the person has signed in              the origin is   rules
//	from this origin                      any             origin
//	on this machine                       the seat        origin
//	on this machine                       another         origin, machine
//	not on this machine                   the seat        origin, realm
//	not on this machine                   another         origin, machine, realm
//
// So a guesser never reaches the owner where the owner has signed in before, except by
// guessing from that same origin. While a factor is locked nothing of it is verified and
// nothing counted; the other factors go on. A success clears what its own origin has
// counted of what it proved, and nothing else; only a whole one does, and only a whole
// one is remembered as a place where the person has signed in (at most 64 a machine).
// Names that are nobody's are counted by the same rules; of those rows the oldest are
// dropped beyond 20,000. Locks survive restarts, and a clock set back does not shorten
// them.
//
// Of one machine at most 8 steps are worked on at a time, its origins take turns, and
// machines take turns at the hashing and at a name. Steps that belong to no session get
// at most 10 audit rows a minute and machine; one more row says how many there were.
//
// # Not here
//
// It does not decide who may log in to which machine; that is the machine's
// daemon. It knows no SQL; that is server/store.
package server
