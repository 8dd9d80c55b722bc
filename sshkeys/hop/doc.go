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
// The package asks nobody for anything: where certificates come from is the caller's.
package hop
