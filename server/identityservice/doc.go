// Package identityservice tells other services of the realm who somebody is: the service
// identity.IdentityService of proto/identity, docs/identity-service.md. It is off until an
// administrator switches it on.
//
// People register a password by OPAQUE (package pake) with a code that an administrator gave,
// log in with it on a device, and get a token that any machine of the realm can ask about. The
// server sees no password. Or they log in with a wallet that an administrator added (package
// wallet). The rest of the server does not know this package; it has accounts, locks, the
// store and the audit log of the realm.
//
// It promises:
//
//   - Only a joined machine that is not shut out is answered, about accounts that it may know.
//   - A registration, a login and a verification each end in yes for one reason alone: the
//     code and the password of that registration; the password, or a message that a wallet of
//     the account has signed for this login; the token itself, whose account is in good
//     standing. Whatever else happens is no.
//   - A registration that is cut off leaves nothing behind, and its code stays good.
//   - Each answer to a guess at a password is counted by the locks of the realm before it is
//     given, and taken back when the guess was right: [auth.Guess].
//   - Nobody can tell whether an account exists, or has registered, from the answer to a login.
//   - A token is stored hashed, is one device's, and ends with idleness, age, the account's
//     standing, a new registration, the wallet that it was given for, or when it is revoked.
//
// The states of one login, which no message skips:
//
//	state      message            next       else
//	begun      KE1                answered   ended, nothing counted
//	answered   KE3 that is right  ended, token
//	answered   (anything else)    ended, the guess stays counted
//
// A registration is begun by its code and RegistrationRequest, goes on with the record, and then
// is a login with it: only a right KE3 stores the record, takes the code, and gives a token. A
// login by wallet is one message and one answer.
package identityservice
