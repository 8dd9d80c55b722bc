// Package hop runs the real ssh with a key that is good for a few minutes and for the
// machines of one chain alone.
//
// [Parse] reads ssh's own command line, and [Plan] asks ssh ("ssh -G") where it would go
// with it: so ssh's configuration means here what it means there. [Key] is an Ed25519 key in
// memory, which an agent of its own signs with; no file holds its private half, and it is
// gone with the command. [Command] is ssh with a configuration before the person's own one:
// for each hop the certificate, the name by which the machine's host certificate is known,
// and the realm's keys to verify that by. Everything else is left as it is.
//
// ssh starts another ssh for each machine that it passes through (ProxyJump), which reads
// the same configuration; so each hop is offered its own certificate and no other. Agents
// are not forwarded.
//
// Plain ssh does the same where its KnownHostsCommand leaves an agent for it ([Once]) that
// signs one login, and asks it for the host keys ([Expect]):
//
//	the agent is asked for              it answers
//	host keys                           those of the machine; it counts the login to come
//	its keys, before session-bind       none
//	session-bind, of another host, or   no
//	of a session that is forwarded
//	its keys after that                 the certificate
//	a signature of a login to that      yes
//	machine, in that session, as the
//	account
//	anything else                       no
//
// It ends after the last login that was counted, and after two minutes in any case.
//
// The package asks nobody for anything: where certificates come from is the caller's.
package hop
