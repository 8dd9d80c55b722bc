// Package partner has two realms tell each other which people can be verified over the telephone
// (docs/partners.md): [Service] answers the servers of partners, and [Puller] asks them. Which
// realms are partners, and by what they are known, is for package trust.
//
// It promises:
//
//   - Nobody is told of who has not said so ("verify --set-up --partners"). What is told is the
//     uuid, name, full name, public key and dates of those who have, while they are enabled. That
//     somebody was told of before and can not be verified any more is told at the next question.
//   - A question is answered that a signing key of a partner has signed, for this realm, at most
//     five minutes ago. The key list that names the key must follow from the realm key that is
//     pinned here. A realm that is no partner hears so; for the rest, why it is refused is not
//     said.
//   - An answer counts that a signing key of the partner has signed, for this realm and this
//     question, from a server that proved by the partner's key list to be one of its. What is in
//     it is of that partner, whatever it says: nobody becomes somebody of another realm.
//   - A partner that is slow, floods or lies holds up no other partner and no login: each is
//     asked by itself, with deadlines, for a limited number of answers of a limited size, and is
//     answered so often and not more.
//   - Of all servers of one database one asks, and none that only reads.
//   - What is taken is taken whole, with the position up to which it tells: a server that is
//     stopped goes on where it was.
//
// How it goes with one partner:
//
//	what happens                               what was told before   asked again
//	all is told                                is used                after 1 minute
//	there is more than 20 answers hold         is used, while fresh   after 1 minute
//	no answer, or one that does not count      ages                   after 5 minutes, or once it asks
//	it says that this realm is no partner      is forgotten           after 5 minutes, or once it asks
//	an alarm by which nothing is taken         ages                   after 5 minutes, or once it asks
//	it was removed here                        is forgotten           never
//
// It does not say how old is too old: see trust.Usable.
package partner
