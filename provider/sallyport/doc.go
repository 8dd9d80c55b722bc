// Package sallyport is the provider for Sallyport's own server.
//
// It starts without a network: the realm's key list comes from the file that joining
// wrote and from provider.Memory, so remembered tokens verify on a plane. Every answer
// is checked before it is handed on: the server's certificate against the key list,
// each token's signature with a key of that list, that it is the account that was
// asked for, and that a session token is for this machine. What a signed token says
// is handed on even if no machine could take it: the resolver refuses such an account
// by name, and the rest of the list is still good.
//
// # Whom it believes
//
// A signing key and a TLS key count only by a key list (identity.KeyList) that the
// realm key signed. [Join] pins the realm key by a fingerprint, [Trust] pins another.
//
//	holds                     offered                        then
//	realm key                 a list by it, or by one that   goes by it, and by its
//	                          its chain leads to, newer      realm key from now on
//	                          the same list                  nothing changes
//	                          an older list; another of the
//	                          same version; by another key;
//	                          of another realm; none; one
//	                          that cannot be read            DoubtError
//	signing keys from before  a realm key that one of them
//	                          introduces, and a list by it   as above
//	                          no list, by an older server    goes on with those keys,
//	                                                         takes no other
//	                          anything else                  DoubtError
//	neither                   anything                       DoubtError
//
// The list is asked for when a change stream begins, when a token names a key that is
// not known, and when a server shows a certificate that is not known. The last is done
// in the handshake, on a connection of its own on which this machine shows no
// certificate and says nothing secret, at most once in two seconds. When a list takes a
// signing key away, Watch reports provider.Reset until the accounts have been listed.
//
// What an error means to the caller is decided in errors.go alone:
//
//	no route, refused, deadline, other TLS fault,
//	redirect, 408, 429, 5xx, a body that is no answer   provider.ErrOffline
//	certificate, signature or key list does not verify  provider.ErrUntrusted
//	signed, and of a newer release                      provider.ErrNewer
//	"unauthenticated", "permission denied"              provider.ErrRefusedMachine
//	"not found" with the service's own detail           provider.ErrNotFound
//
// The last two count only when they come as a whole answer of the API; a bare
// HTTP status may be some proxy's. Redirects are never followed. No lock is held
// while waiting for the network.
//
// # Several servers
//
// A realm may have several servers, which all know the same. They stand in an order of
// preference: those of the configuration, then those that only the realm's own signed list
// names (identity.ServerList; servers.go). Each has a condition (health.go):
//
//	        claimed  answered  failed  unclear
//	up      up       up        down    up
//	trying  trying   up        down    down *
//	down    trying   up        down    down
//
//	* and due at once
//
// Claimed: a request goes there because the wait is over, one request at a time. Failed:
// the answer, or its lack, is a provider.ErrOffline. Unclear: whoever asked went away, or
// gave it too little time to blame it. The wait grows from one second to thirty, and is
// shortened by a random part.
//
// A request goes to the first server that is up or due, then to the next, and when none of
// these has answered, to the others after all: no wait makes a machine offline. While
// another server is left, one that does not answer is given a third of the caller's time to
// connect, and half of it, or for a step three quarters, to answer.
//
//	what                                     when a server may have got it
//	fetch, describe, begin, verdict,         asked of the next one
//	sealing key, losses
//	a list of which nothing was handed on    asked of the next one
//	a list in its middle                     provider.AnewError: listed anew
//	a step, a change of the password         provider.AnewError: never repeated
//	a step that did not get there            provider.AnewError: nothing was sent
//	a step that the server calls stray       provider.AnewError, also with one server
//	a card service's challenge               is answered where it was given
//
// With each answer comes the term of the database that the server serves from (term.go). A
// server of a lower term than the highest that was seen counts as one that does not answer.
//
// All steps of an attempt go to the server where it began. The change stream follows one
// server, goes on at another from the same position, and returns to a preferred one at a
// random moment once that answers (follow.go).
package sallyport
