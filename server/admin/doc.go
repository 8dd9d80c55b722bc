// Package admin is what administrators may do with a realm: [Admin] implements
// AdminService, each verb one transaction with its row in the audit log.
//
// Who may call it is settled before: by the admin socket of a running server, which says
// who it is ([WithActor]), or by whoever holds the folder without one; then this process's
// user is who gives the orders. Errors are for administrators: they say what was refused,
// why, and what to do; a fault is logged as well.
//
// How credentials are made and judged, and what failures lock, is not decided here: see
// [Credentials] and [Locks]. What cannot be a token does not become an account: where a
// change could make one too long, the token is made before the change is kept.
package admin
