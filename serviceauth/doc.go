// Package serviceauth is for services that want to know who calls them: it asks the
// identity service of a Sallyport realm (docs/identity-service.md) about the tokens that
// callers send.
//
//	guard := serviceauth.Guard{Verifier: serviceauth.Daemon("")}
//	http.Handle("/", guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		who, _ := serviceauth.From(r.Context())
//		fmt.Fprintln(w, "Hello", who.User)
//	})))
//
// A caller sends a [Token] in the header Authorization, as Bearer (RFC 6750), over TLS: whoever
// sees it can be them. "sallyport identity token --bearer" prints one.
//
// There are two ways to ask. [Daemon] asks the daemon of a joined machine, which has the key
// and knows all servers of the realm. [Open] is for a service that is a machine of the realm by
// itself, in a container for example, with a key that [Join] made.
//
// It promises:
//
//   - Only an explicit yes of the realm's server lets anybody in. Nothing is remembered: a
//     token that was revoked is no good at its next use.
//   - Who is not let in is told 401 or, where the realm could not be asked, 503; the service
//     behind a [Guard] never sees the request.
//   - A token is neither logged nor part of any error.
//
// What is exported here stays as it is within a major version.
package serviceauth
