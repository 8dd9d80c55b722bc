// Package lockout counts wrong answers and locks by them, as pam_faillock(8) does: here by
// account, by what was answered, and by where the attempt comes from. The counts are in the
// cache, so that a restart forgives nothing.
//
// [Tallies.Reserve] counts an attempt as failed before it is made; [Tallies.TakeBack] undoes
// that if it was right, or could not be made. A count that cannot be stored is no attempt.
package lockout
