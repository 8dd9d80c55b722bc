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
//	sallyport.db               the database
//	server.json                the settings, written last: without it there is no realm
//	seal.key                   encrypts TOTP secrets in the database, keys backup codes
//	signing/ID.pem             the key that signs tokens
//	realm.key, realm.list      the realm key, and the key list that it signed
//	ca.crt, ca.key             the realm's own certificate authority, if it has one
//	lock, admin.sock           of the process that has it open
//
// All files are 0600. One that takes another's place is written whole or not at all, and a
// change of keys that was cut off is finished or undone by the next opening.
//
// # Keys
//
// The realm key signs the key list, in the folder or by commands that bring it. The
// list is written before the database names a new signing key, so that no machine sees
// a token whose key it cannot know; whoever opens the folder signs it anew where it does
// not say what is so. Without the realm key that is a problem that ShowKeys tells, and
// serving goes on. docs/keys.md is the page for people.
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
