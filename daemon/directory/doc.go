// Package directory is what a machine knows of one realm: its accounts and groups, the
// numbers that are bound to them, and the accounts and groups of the machine's own files.
// It answers from memory. It asks nobody, stores nothing, and decides about no login.
//
// [Directory] has the realm, [Files] the local files, [Local] their content at one moment.
// Whoever fills a directory gives it [Rules]; the realms that come first are an [Ahead].
//
// # Locks
//
// The directory's lock is its own: no method returns with it held, and nobody outside
// takes it. It is held for moments, never while a file is read, and while it is held
// Rules.Allowed and Rules.Keep may be called. Methods of an [Ahead] are called with
// the lock of this directory and take that of another, which comes before it: so no
// circle of them can form. What is returned is a copy, or never changes.
//
// One writer at a time puts tokens in, in the order in which the server said them: that
// order is the caller's to keep.
//
// # What is refused
//
// A token outside the allowed ids, of an older revision in the same history, of a history
// that was left (histories.go), of an account or a group whose number changed or was first
// seen for another, or of a name that another holds, is not taken. When it is newer than
// the one that is held, that one is blocked: it still names the account, and lets nobody
// in. A group whose number changed is not named any more. A number stays bound to its
// first owner, also when that is gone, until [Directory.Forget] or [Directory.Clear].
//
// Accounts and groups that /etc/passwd or /etc/group know by name or id are held and never
// answered, nor is an account whose own gid is a local group's, nor one whose number lies
// in a range of /etc/subuid or /etc/subgid: each question brings the content of the files
// as it is then.
//
// # Revisions
//
// They tell whoever publishes the directory that it is another. They grow with
// [Directory.Announce] and [Directory.LocalChanged]:
//
//	what happened                                     content   urgent
//	an account or a group came, or looks different    grows
//	a group that was asked for is evicted             grows
//	an account or a group is gone                     grows     grows
//	an account is disabled, or blocked                grows     grows
//	a membership ended, a group is refused            grows     grows
//	all was cleared, or an account forgotten          grows     grows
//	a name or id of /etc/passwd or group came or went grows
//	the same, and it was one that we served           grows     grows
//	a key, a password, a date                         -         -
//
// # Groups that were asked for
//
// Such a group is known whether somebody known here is in it or not. It makes nobody a
// member. At most Rules.MaxGroups are kept; of more, those asked for longest ago are
// evicted, but none that Rules.Keep names. To realms behind this one a group is this
// realm's from the moment it was shown, in an account or by itself.
//
// # Memory
//
// An account is two small blocks that never change ([Packed]), and has its own group
// within it while nobody else speaks of that group; a view shares them. It is about 250
// bytes an account in ten groups. Decisions work on an unpacked copy ([Entry]).
package directory
