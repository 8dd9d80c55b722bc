// Package offline is what this machine keeps of people's credentials, to check them when the
// server cannot be reached: [Verifiers] of passwords, and [Codes], the sealed secrets of
// one-time codes. It decides nothing: it says whether an answer is right, and why one cannot
// be checked.
//
// A verifier is an Argon2id hash (RFC 9106), sealed by a key of this machine together with
// the account and epoch that it is for, so that a row that is copied to another account, or
// to another machine, is dead. A secret for codes is here only if the server sealed it to
// this machine after a whole authentication; it is opened for each check, and wiped after it.
package offline
