// Package realm is an open realm: the folder that it lives in, its keys, the tokens that
// it signs, its history, and who calls. All services of the server work on a [Realm]; it
// decides about no login and knows no administrator.
//
// [Init] makes a realm in a folder. [Open] opens it and takes the folder, so that there is
// one process at a time; [Realm.Close] lets it go. What is read and written goes through
// [Realm.Store]; a change that machines are to hear of through [Realm.Write].
//
// # The folder
//
//	sallyport.db       the database, if that is a file
//	server.json        the settings, written last: without it there is no realm
//	seal.key           encrypts TOTP secrets and private keys in the database, keys
//	                   backup codes; all servers of a realm have the same
//	realm.key          the realm key, if it is not kept elsewhere
//	ca.crt             the certificate of the realm's own authority, for others to read
//	server.id          which of the realm's servers this is
//	lock, admin.sock   of the process that has it open
//
// All files are 0600. One that takes another's place is written whole or not at all, and a
// change of keys that was cut off is finished or undone by the next opening.
//
// # Keys
//
// Keys and the key list are in the database, whose transactions are what they are read and
// changed in: a token is signed with the key of its transaction's moment, and no machine
// sees a token whose key it cannot know, whichever server it asks. The realm key signs the
// list, in the folder or by commands that bring it; whoever opens the folder signs it anew
// where it does not say what is so. Without the realm key that is a problem that ShowKeys
// tells, and serving goes on. docs/keys.md is the page for people.
//
// # Several servers
//
// Servers share a PostgreSQL database and nothing else. [Realm.Follow] notices what the
// others have changed. Each has a row of its own, by which the key list names what all of
// them are known by ([Realm.Register]).
//
// # Histories
//
// Each start begins a history (package store): revisions, epochs and positions of two
// copies of one database never meet. A machine whose position is not in the chain is
// told that changes were lost. That the server itself lost changes is shown by the mark
// outside the folder, or by a token that the realm signed and the database does not know:
// then every account gets a new revision, new ids leave a gap, and log and audit say so.
//
// # Who calls
//
// A caller is known by the key of its TLS client certificate, and whether that is a
// machine's is looked up for each request ([Realm.Machine]): one that was removed or is
// in quarantine is out at once. Faults are logged here, and the caller is told only that
// there was one ([Realm.Fault]); that the disk is full is the exception.
//
// # Rows of the audit log
//
// A client that was taken over must not fill it: of what comes to nothing each gets so many
// rows a minute, and one that says how many more there were ([RowBudget]).
package realm
