// Package verification is where two people make sure of each other over the telephone, on the
// machine of one of them: it keeps the private half of an account's key, remembers the keys
// of others, and judges the codes that are heard. The mathematics is package identity/verify.
//
// It promises:
//
//   - The private half is made here, stored sealed to this machine, opened for one computation,
//     and told to nobody.
//   - A verdict is of the key that the person was shown: where the key has changed meanwhile,
//     there is none.
//   - What is heard is counted, and marked as heard, on the disk before a verdict is given.
//   - Another key than the one that was confirmed before is said each time, until the new one
//     is confirmed.
//   - Without the server it goes on by what is remembered, and says how old that is.
//
// What comes of a code is the table of identity/verify.Verdict.
package verification
