// Package verification is where two people make sure of each other over the telephone, on the
// machine of one of them: it keeps the private half of an account's key, remembers the keys
// of others, and judges the codes that are heard. The mathematics is package identity/verify.
//
// It promises:
//
//   - The private half is made here, stored sealed to this machine, opened for one computation,
//     and told to nobody. Or it is on a card, which agrees on the secret of one call: that is
//     held in memory alone, for one pair of keys and one subject, and wiped when the call is
//     confirmed, ten minutes later, or when the daemon ends.
//   - A verdict is of the key that the person was shown: where the key has changed meanwhile,
//     there is none.
//   - What is heard is counted, and marked as heard, on the disk before a verdict is given.
//   - Another key than the one that was confirmed before is said each time, until the new one
//     is confirmed.
//   - Without the server it goes on by what is remembered, and says how old that is.
//   - Somebody is who they are by their realm and their id: what another realm says touches
//     nothing that is known of the account's own.
//   - What comes of a call is in the realm's audit log, or waits on the disk until a server
//     takes it, or the person is told that it does neither. It may be there twice.
//
// What comes of a code is the table of identity/verify.Verdict.
package verification
