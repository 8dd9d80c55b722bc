// Package passwords judges whether a new password is good enough. It is the one place
// that does: the server asks it wherever a password is set, by its owner or by an
// administrator. It follows NIST SP 800-63B, section 3.1.1: a length, a list of common
// passwords, the words of the context, and no rules of composition.
//
//	refused                              by
//	too short, in characters             the realm's minimum, 8 at the least
//	too long, in bytes                   opaque.MaxLen
//	without a form to be hashed          RFC 8265, see identity/opaque
//	names and digits                     the words of the account and the realm
//	common                               the list
//	repeated, in a row, along the keys   a rule: no list has them all
//
// What was used before is not known here: it takes hashes, see server/passwordhistory.go.
//
// # The list
//
// The one that is built in was written for this project. It has the best known
// passwords and words in one line each or several, and is small on purpose: a longer
// one is the administrator's, in a file with one password on each line. The file takes
// the place of the built-in list, and is read again when it has changed. While it cannot
// be read the built-in list holds, and [List.State] says why.
//
// A password counts as one of the list in upper and lower case, with digits and signs
// for letters ("P@ssw0rd"), and with a few digits and signs before and behind it
// ("Welcome2026!").
//
// # The refusals
//
// Each [RefusalError] is a sentence of at most 60 letters, for a login screen: what is wrong with
// the password. It never has the password or a part of it.
package passwords
