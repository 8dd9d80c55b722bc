// Package cache is what a machine remembers between contacts with its server:
// signed tokens of accounts and of groups, offline verifiers, failure counts, and how far it has followed
// the server's changes. It is the only package on the workstation that knows
// SQL; it decides nothing, and checks no signature: what it returns is only as
// good as the file it came from, and package daemon verifies it again.
//
// It promises:
//   - What a method acknowledged by a nil error survives kill -9 and power loss
//     (write-ahead log, synchronous=FULL); what it did not is whole or absent.
//   - A verifier that was deleted leaves none of its bytes in the database file
//     or in its log (secure_delete, then a truncating checkpoint).
//   - A database that is damaged, of an unknown version or of another shape is
//     moved aside with the time in its name and a new one begun; [Cache.Rebuilt]
//     tells where the old one lies. It is never repaired in place.
//   - When the disk is full, reads go on and writes return [ErrFull].
//
// One connection serves all callers, so the callback of IDs must not call the
// Cache; that of Tokens may. Times are kept as Unix seconds, except the clock's and
// when a group was last asked for, in nanoseconds.
package cache
