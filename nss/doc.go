// Package nss is the daemon's half of name lookups. A [Publisher] keeps the
// directory snapshot, the file from which programs answer themselves (package
// snapshot), and a [Server] answers, on lookup.sock, what that file cannot: what
// libnss_sallyport.so.2, sallyport-keys and newuidmap ask. Where the answers come
// from is a [Source]'s and a [Directory]'s affair.
//
// It promises, besides what [Publisher] says:
//
//   - Working is sent before the directory is asked, so that a caller can tell a
//     daemon that thinks from one that hangs.
//   - NotFound is sent only for an error that is [identity.ErrNotFound] or
//     [identity.ErrName]; every other error is Unavailable. "Not known" is never
//     made from "cannot tell".
//   - No record leaves with a name or an id that may not come from a directory.
//   - The daemon's own process ([Server.Self]) is answered Unavailable at once: a
//     library in it that looks a name up must not wait for the daemon to ask
//     itself.
//   - One connection's faults end that connection and no other.
//
// A connection carries any number of requests, one after the other. It is closed
// after IdleTimeout without one. It keeps no cache: freshness is the directory's.
package nss
