// Package verification decides about people who make sure of each other over the telephone
// (package identity/verify, docs/verify.md): it keeps the public halves of their keys, and
// writes down in the audit log who did so. Machines ask it by VerifyService; for people
// without a machine, package console does, and the server holds the private half (held.go)
// and judges what they hear (call.go).
//
// It promises:
//
//   - Of a key of a machine it stores the public half alone, and no code ever comes here: what
//     is in the database does not suffice to compute one.
//   - It holds a private half only where the realm allows it and its owner asks for it at the
//     console; sealed, for that account and nothing else. Whoever is told of that person is
//     told so. A machine's key that takes its place leaves nothing of it.
//   - A key is set, replaced or removed by an authentication of that account that was made for
//     this key alone, or at the console just now. Each time is a row of the audit log, with the
//     key's fingerprint.
//   - Who has not set a key is told of nobody and is told to nobody. That somebody has none and
//     that there is no such account is one answer.
//   - Both must be in good standing.
//   - What is heard by a key that is held here is counted, and marked as heard, in the database
//     before a verdict is told.
//
// It does not prove to one of the two whose key it says is the other's: a server that lies can
// say its own. The machines remember keys and warn of another one (package
// daemon/verification), and so does this one for whom it holds keys; people can compare
// fingerprints.
package verification
