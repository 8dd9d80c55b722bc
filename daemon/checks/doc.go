// Package checks judges whether an account may log in here, one [Check] after the other; the
// first that refuses decides. It takes no proof: what was proved stands in the [Question].
//
//	check     asks                                          refusal
//	name      can this be a name of the realm?              UnknownUser
//	local     has /etc/passwd the name?                     NotOurs
//	known     is there such an account? are its ids local?   UnknownUser, Unavailable, NotOurs
//	fresh     do we know the latest, or new enough?         NotPermitted, UnknownUser
//	spelling  is what was typed the account's own name?     NotPermitted
//	accepted  does its newest token keep our rules?         NotPermitted
//	standing  is it active and within its dates?            AccountExpired
//	allowed   may it log in here, by policy?                NotPermitted
//	service   does PAM's service demand no more? can it     NotPermitted
//	          do anything for an account of a realm?
//
// A [Ruling] says no until a check says yes: its zero value refuses. Each has the reason and
// what can be done about it, and says whether the person at the prompt may read that.
package checks
