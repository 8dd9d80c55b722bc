// Package mutual has the card service and the realm's server prove themselves to
// each other before a PIN is typed, so that neither is asked to trust what only
// says so. It plays two parts of three; the third is the server.
//
// [Middleware] is the card service's side: it holds this machine's key, and trusts a
// server by the certificate that one of its own authorities gave it. [Guard] is the
// client's: it stands in front of the cards, carries the messages between the two,
// and lets nobody sign who has not come by it.
//
//	client              card service                        server
//	GetCertificate  ->                                      certificate, challenge
//	Begin           ->  is the certificate ours, of this
//	                    realm, in date? signs, and makes
//	                    a challenge for the server
//	AnswerChallenge ->                                      is it a card service that it
//	                                                        knows, and this challenge fresh
//	                                                        and its own? signs
//	Finish          ->  is it signed with the certificate's
//	                    key, for this very exchange?
//	                    an environment, for 5 minutes
//	Sign (PIN)      ->  only with such an environment
//
// An exchange is used once, whatever comes of it. Nothing of it is on disk.
//
// Without a network the server cannot prove itself. [Online] lets cards be used then
// all the same, as a laptop on a plane needs it; [Always] does not. A server that does
// not answer is given up after 3 s, which is less than a login waits for its card.
// Where the proof cannot be had at all, for want of a key, [Closed] lets nobody sign.
package mutual
