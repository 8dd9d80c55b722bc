// Package sallyport is the provider for Sallyport's own server.
//
// It starts without a network: the realm's public keys are recalled from
// provider.Memory, so remembered tokens verify on a plane. Every answer is
// checked before it is handed on: the server's certificate against the one root
// that the machine pinned when it joined, each token's signature, that it is the
// account that was asked for, and that a session token is for this machine. What
// a signed token says is handed on even if no machine could take it: the resolver
// refuses such an account by name, and the rest of the list is still good.
//
// What an error means to the caller is decided in errors.go alone:
//
//	no route, refused, deadline, other TLS fault,
//	redirect, 408, 429, 5xx, a body that is no answer   provider.ErrOffline
//	certificate or signature does not verify            provider.ErrUntrusted
//	signed, and of a newer release                      provider.ErrNewer
//	"unauthenticated", "permission denied"              provider.ErrRefusedMachine
//	"not found" with the service's own detail           provider.ErrNotFound
//
// The last two count only when they come as a whole answer of the API; a bare
// HTTP status may be some proxy's. Redirects are never followed. No lock is held
// while waiting for the network.
package sallyport
