// Package verification keeps the public halves of the keys with which two people make sure of
// each other over the telephone (package identity/verify, docs/verify.md), and writes down in
// the audit log who did so.
//
// It promises:
//
//   - It stores public halves alone, and no code ever comes here: what is in the database does
//     not suffice to compute one.
//   - A key is set, replaced or removed by an authentication of that account that was made for
//     this key alone. Each time is a row of the audit log, with the key's fingerprint.
//   - Who has not set a key is told of nobody and is told to nobody. That somebody has none and
//     that there is no such account is one answer.
//   - Both must be in good standing.
//
// It does not prove to one of the two whose key it says is the other's: a server that lies can
// say its own. The machines remember keys and warn of another one (package
// daemon/verification), and people can compare fingerprints.
package verification
