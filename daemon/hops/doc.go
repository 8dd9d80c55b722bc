// Package hops judges the ssh certificates that somebody shows to this machine's sshd.
//
// A certificate is the realm's word that an account may log in to one machine within some
// minutes. sshd verifies its signature, its dates and its source address; what only this
// machine can know is judged here, and told to sshd as a line of authorized_keys(5), which
// trusts the key that signed it for this certificate's principal alone:
//
//	the certificate                                   the answer
//	is none, or of a kind that is not asked for       ErrNone
//	is signed by no key of the realm                  ErrNone: it may be another authority's
//	is of a host                                      refused
//	names another principal than this machine with
//	this account, or more than one                    refused
//	is not good yet, or any more                      refused, with by how much
//	was changed, or has a critical option that is
//	not known here                                    refused
//	says nothing of its request, or of one whose
//	grant was ended                                   refused
//	anything else                                     a line
//
// The line allows what the certificate does, and no agent forwarding. One that only passes
// on (identity.HopNext) runs nothing and may connect to the next machine alone.
//
// sshd says afterwards what it authenticated by. The certificate is judged again then
// ([Judge.Shown]), and a [Book] remembers by which grant a session began, so that the session
// can be told or ended with it.
//
// Whether the account may log in here is not judged here: package daemon does, by the rules
// of every login.
package hops
