// Package request decides about what people ask for: [Engine] implements RequestService. A
// [Kind] says what a request is about, and this package what comes of it. It does not know
// what is done with a grant: whoever does it asks [Engine.Use].
//
// # Who asks
//
// A machine that has joined, by its TLS client certificate, and a person there, by a session
// token: one that a full server of the realm signed for an authentication of that account at
// that machine, which is in good standing and within the machine's scope. What a server that
// only reads has signed counts for nothing here.
//
// A session token has no credential epochs. So one that was made before a password was
// changed still counts here until it expires, 8 hours after the authentication at the latest
// and sooner where a rule says so. An account that was disabled is refused at once.
//
// # States
//
//	state      event                                        next state
//	(none)     no rule matches, or one refuses              denied
//	(none)     a rule wants a proof that is fresher or
//	           stronger than the session token's            asked, for 10 minutes
//	(none)     approvals are needed                         waiting, for the realm's time
//	(none)     every rule is met                            granted, for as long as rules say
//	asked      the same four, with the token of Prove       denied, asked, waiting, granted
//	waiting    the same four, when somebody approves        denied, asked, waiting, granted
//	waiting    somebody denies                              denied
//	asked, waiting
//	           it is taken back                             withdrawn
//	asked, waiting
//	           its time is over                             expired
//	granted, used
//	           it is used, and rules still grant it         used
//	granted, used
//	           it is taken back, or its time is over        ended
//
// denied, withdrawn, expired and ended are final. What is over by time is so from that
// moment on, whatever the database says: [Engine.Tidy] only writes it down, and forgets
// what has been final for 90 days. The audit log keeps it.
//
// # Rules
//
// A kind resolves a request into parts, each about one machine. For each part the first
// rule that matches decides, and where none does the part is refused. What the rules of all
// parts come to is joined: a refusal refuses; the freshest and strongest proof counts; every
// need of approvals must be met; the shortest times count.
//
// A request is judged anew by the rules, names and groups of that moment whenever it goes on:
// by Prove, by each decision, and by each use. A proof is judged as fresh as it was when it
// was shown.
//
// # Approvals
//
// Members of the group that a rule names approve, directly or through other groups; the
// asker and the accounts that are logged in as do not. Each account counts once, and one
// that is in two groups counts for each of them. An approval counts while its account is in
// good standing and in the group: it is looked at again at the last approval, and at each
// use. One who denies is enough.
package request
