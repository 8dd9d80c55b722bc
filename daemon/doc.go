// Package daemon decides who may log in here, and joins the rooms behind that: package resolver
// finds the accounts of a realm, and package directory is what is known of them; policy is what the
// administrator decided, checks judges an account by it, lockout counts wrong answers, offline
// checks what can be checked without the server, cards is the reader, proofs remembers what was
// proved, handover takes subordinate ids to the machine's files, and status tells how all of it
// stands. Each kind of proof is a [factor], a file each. A [Gate] decides; a [Daemon] is one with
// its resolver; [Realms] joins several of them. Transports ask it; it imports no transport and
// knows no server.
//
// # How a decision is taken
//
// [Gate.Decide] runs the checks of package checks in order, and the first that refuses
// decides. The account phase, KeysFor and explain run the whole table.
//
// Explain adds what the provider's server would say, for which it waits a second at most
// ([provider.VerdictGiver]); that decides nothing. Root is told a command where there is
// one, others whom to ask.
//
// Authentication runs the first three, takes the proof, and only then runs the last ones, so that
// only who knows the password learns why it does not help. A peer that is not root may ask for its
// own account only, and its attempts are counted. Whatever breaks on the way is
// [identity.Unavailable]: only an explicit yes of every step is [identity.Granted]. An account that
// we know and cannot let in is refused, never unavailable: unavailable leaves it to the next module
// of the stack, which knows nothing of it. While someone authenticates, NotPermitted is given as
// Denied, which hosts show with its reason.
//
// The proof is the server's if it can be had: its yes must be bound to this account and machine and
// prove what package identity says is enough for a login. Its no is final. If the exchange is lost
// at any step (no route, a time limit, an answer that makes no sense), this machine takes the
// server's place, with what was typed until then; age, failures and factors are judged first. A
// failure is counted before the check and taken back after it, so a crash gives no further try.
//
// # What is asked for
//
// The goal of a login is all that is demanded of it here: enough for a login of the
// account, the factors and points of the service and of each group it requires, and
// those of some allowed group. With identity.Next it decides what is asked for,
// whoever checks; what is asked for is never more than leads there.
//
//	the goal, with what the account holds   online                        offline
//	can be reached                          asked for; the server is      asked for
//	                                        told More while it takes
//	                                        more than a login
//	could be, but not checked here          as above                      refused before, with what to do
//	cannot be reached                       what a login takes; refused   the same
//	                                        after it, with the reason
//	could be by a card that is not there    refused before, with the      the same
//	                                        reason
//
// A factor that was answered for already comes first, and is not asked for again when the server is
// lost: a card signs this machine's nonce with the PIN that was typed. At a login a card that is in
// a reader comes next, at a step-up the strongest factor. An empty line passes to the next factor,
// round and round. Cards have a table of their own in cardlogin.go.
//
// # What this machine checks
//
// A password against the offline verifier, which must be of its current epoch. A card's signature
// over this machine's own challenge, with the certificate of the token as it was signed. A one-time
// code with its secret, which is here only if the server sealed it to this machine after a whole
// authentication: of the present epoch, and for exactly this realm, machine and account. It is
// opened for each check and wiped after it. Backup codes only the server checks. Wrong answers are
// counted for each kind where they come from (package lockout) and lock that kind there, until it
// is proved there or the server has said yes. Wrong PINs the card counts, and this machine too; see
// pintries.go.
//
//	typed, by an account with a code                 then
//	a wrong password                                 Denied; counted as a password
//	a right one, no secret here                      refused before, with what to do
//	a right one, locked by wrong codes               TooManyTries, no code is asked
//	a right one                                      the code is asked for
//	a right one and a wrong or used code             Denied; counted as a code
//	a right one and a code of now or a step either   the step is stored as used, and
//	way, later than any that was used                only then Granted
//	one line that is both                            the same, in one answer
//
// A code that was typed before the network was lost is not asked for again. The server tells which
// step was used last with each yes, and is told at each Begin which was used here.
//
// # Groups that are earned
//
// A group so marked is named like any other, and nobody is told who is in it: not by
// lookups, not by a view. A session that proved the group's demand gets its gid when
// it establishes credentials; package proofs says how it is found.
//
// # Enrolling
//
// Over control.sock an account, by its peer uid, adds a one-time code, a card or backup codes, or
// gives one up: proved like a login, counted like a screen locker's attempt, and with a factor as
// strong where the account holds one, which the server judges. What has to be confirmed waits here
// in between, for that uid alone; see enrol.go.
//
// # Step-up
//
// A service with [policy.Service.StepUp] demands a fresh proof in both phases, and is
// satisfied by one that it took before. For a root peer that says where it runs:
//
//	what is remembered for it              authenticate       account
//	nothing                                asks, remembers    asks, remembers
//	a proof that counts                    Granted            Granted
//	one too old, of another epoch, weaker  asks, remembers    asks, remembers
//	any, and the checks refuse             as without it      refused
//	root itself asks (su)                  as without it      Granted
//
// Nothing is remembered of, or for, a peer that is not root or does not say where
// it runs. A proof counts for one account, uid, asker and [identity.LoginSession],
// all the same; it is in memory alone. It ends with the account's standing, with
// the epoch of any factor in it (of a card: of that very card), and when its session is closed; what is being
// proved at that moment is not kept. Its age is by CLOCK_BOOTTIME.
//
// # What it does not do
//
// It makes no home, kills no process of a disabled account, and outside step-up does not hold a
// session to the strength that a group demands once the authentication is over. A session keeps the
// groups that it earned until its last process ends.
package daemon
