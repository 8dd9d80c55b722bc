// Package daemon is the resolver: it knows the accounts of a realm, and decides
// who may log in here. Transports ask it, a provider feeds it, a cache remembers
// for it; it imports no transport and knows no server.
//
// # How a decision is taken
//
// [Daemon.Decide] runs a table of checks in order, and the first that refuses
// decides. The account phase, KeysFor and explain run the whole table:
//
//	check     asks                                          refusal
//	name      can this be a name of the realm?              UnknownUser
//	local     has /etc/passwd the name?                     NotOurs
//	known     is there such an account? are its ids local?   UnknownUser, Unavailable, NotOurs
//	fresh     do we know the latest, or new enough?         NotPermitted, UnknownUser
//	accepted  does its newest token keep our rules?         NotPermitted
//	standing  is it active and within its dates?            AccountExpired
//	allowed   may it log in here, by policy?                NotPermitted
//
// Authentication runs the first three, takes the proof, and only then runs the
// last three, so that only who knows the password learns why it does not help.
// A peer that is not root may ask for its own account only, and its attempts are
// counted. Whatever breaks on the way is [identity.Unavailable]: only an
// explicit yes of every step is [identity.Granted]. An account that we know and
// cannot let in is refused, never unavailable: unavailable leaves it to the next
// module of the stack, which knows nothing of it. While someone authenticates,
// NotPermitted is given as Denied, which hosts show with its reason.
//
// The proof is the server's if it can be had: its yes must be bound to this
// account and machine and prove the password, and a one-time code if the account
// holds one. Its no is final. If the exchange is lost at any step (no route, a
// time limit, an answer that makes no sense), the password that was typed is
// checked against the offline verifier, which must be of the password's current
// epoch; age, failures and factors are judged first. A failure is counted before
// the check and taken back after it, so a crash gives no further try.
//
// # Online and offline
//
// An absent name is an answer only when the list of the realm is complete. The
// link's state:
//
//	           answered     caught up   alive     failed    broken
//	starting   starting *   online      online    offline   offline
//	online     online       online      online    offline   offline
//	offline    offline *    online      online    offline   offline
//
//	* online, where the provider has no change stream
//
// Answered: a call was. Caught up: the change stream has sent all that we
// missed. Alive: such a stream is still there. Failed: a call got no answer that
// counts. Broken: the stream ended. So with a change stream nothing is granted
// on the strength of being online before everything missed was applied.
//
// # What is refused
//
// A token outside the allowed ids, of an older revision, of an account or a
// group whose number changed or was first seen for another, or of a name that
// another holds, is not taken. When it is newer than one we hold, that one is
// blocked: it still names the account, and lets nobody in. Accounts and groups
// that /etc/passwd or /etc/group know by name or id are never answered, nor is an
// account whose own gid is a local group's; the files are looked at for every
// question. Who was refused, and why, is in status.
//
// # Time
//
// The trusted time is the later of the wall clock and the high-water mark plus
// what CLOCK_BOOTTIME counted since. The mark is stored every minute and before
// each attempt that is counted. Only the server's own time, seen in an answer, sets it
// back. So a clock set back lengthens no offline age and shortens no lock, and
// one set far ahead heals at the first contact.
//
// # What it does not do
//
// It checks no one-time code offline, makes no home, kills no process of a
// disabled account, and does not hold a session to the strength that a group
// demands once the authentication is over.
package daemon
