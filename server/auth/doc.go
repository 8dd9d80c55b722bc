// Package auth proves people's credentials step by step, for whoever asks that somebody
// be authenticated. [Engine] implements AuthenticationService, and GetVerdict of
// MachineService, which tells a machine what locks hold.
//
// It does not decide who may log in to which machine: that is the machine's daemon. It
// knows no SQL, no transport but the calls of its services, and no administrator: what
// administrators need of credentials and locks, they ask [Engine] for by interfaces of
// their own.
//
// # Clients
//
// A session belongs to a client: of a kind, with an id, and a name for the audit log.
// Machines that have joined are one kind, and the console (package console) is another, one
// client at whichever server. Another kind is a constant in client.go, and what it is given
// in place of a session token, which only machines get: the console gets a [SignedIn]. A
// client of no kind begins nothing, goes on with nothing, and is granted nothing.
//
// The console counts as one more machine: for the locks below an address is an origin of it,
// and what people prove there by a form is a password and a code.
//
// # Factors
//
// A factor is a file (factor_NAME.go) and a row of newFactors. It says by its traits when
// it is offered and what its wrong answers count for, and judges an answer in its step.
// What accounts hold of it, how people make and take it away, and what a client may keep
// of it, it does where it implements holder, alterable and sealer. How strong a kind is,
// and which are enough, is package identity's; where it is kept is package store's.
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
// # Locks of this process
//
// Sessions, turns and remembered codes are in memory, each under a lock of its own that
// is held for moments. While a step is worked on, also across the database and the
// hashing, it has one of its client's shares and the turn of its name; what is locked waits
// for no turn and keeps none. Hashes have slots of their own. All three are shared out by fair.go.
package auth
