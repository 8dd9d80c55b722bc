// Package kanidm is a Kanidm server as a source of accounts, over its HTTP API.
//
// The server has no signed tokens, so the provider makes them: one from each answer,
// of an account or of a group, signed with this machine's own key, for the rest of the project has one form
// to trust. Only what this machine made verifies, so a cache that is copied from
// another machine names nobody here.
//
// # What an answer means
//
//	seen                                           meaning
//	no route, TLS, a deadline; 408, 429, 5xx;
//	a redirect; a body that is not JSON            provider.ErrOffline
//	a certificate that does not verify             provider.ErrUntrusted
//	401                                            our session is dead: made anew once,
//	                                               and the same call again; then
//	                                               provider.ErrRefusedMachine
//	403                                            provider.ErrRefusedMachine
//	404 with "nomatchingentries"                   provider.ErrNotFound
//	404 without                                    provider.ErrOffline: another URL, or a proxy
//	500 with a missing POSIX class, a group where
//	an account is asked for, or a state of the
//	account that is none                           provider.ErrNotFound
//	another account than was asked for             provider.ErrUntrusted
//
// # What it can do, and cannot
//
// It looks accounts and groups up, and authenticates accounts: by the account's POSIX password, or
// by Kanidm's own stepped authentication (a password, with a one-time code or a
// backup code). Of a group the server tells name and number; its members are the
// accounts known here that name it. It cannot list a realm, so an absent name is asked for each time; it
// is told of no change, so entries are fetched anew as they age; it seals no secret,
// so no code is checked offline; and it changes no password.
//
// It is not told either when a password changes: every token has the same epoch for
// it. The resolver learns it from a password that is refused, or from a new one that
// is accepted ([Provider.PasswordEpochsStatic]).
//
// # An authentication, stepped
//
// The resolver asks for the password first and Kanidm for the code; the password
// waits here, in memory, until the code is there.
//
//	the server offers               after the password           after the code
//	password                        begin, password: the end
//	passwordmfa                     offers totp                  begin, code, password: the end
//	passwordbackupcode              offers backup-code           begin, code, password: the end
//	nothing of these                denied, with what to do
//	a denial at once                denied, with the server's word for it
//
// # A step-up
//
// The session that somebody's last stepped sign-in opened is kept, in memory and
// nowhere else, one of each account and of 256 at most. It has no privileges. A step-up
// goes on from it; a plain login never does, and puts its own session in the place of
// the older one, which is ended. A sign-in by backup code keeps none: the server lets
// such a session prove nobody again. What it is worth the server says each time:
//
//	POST /v1/reauth answers         then
//	continue with totp              offers password, then totp and backup-code
//	continue with password          offers password; unless the account was seen to
//	                                need more: the session ends, a whole sign-in
//	continue with anything else     the session ends, a whole sign-in
//	denied: locked                  denied, with the server's word for it
//	denied otherwise                the session ends, a whole sign-in
//	401, 403, 404; 500 with
//	"sessionmaynotreauth", or
//	that the account is none        the session ends, a whole sign-in
//	500 with "invalidstate"         a whole sign-in, which ends the session: the server
//	                                has not written it down yet
//	anything else                   provider.ErrOffline, and the session is kept
//
// A whole sign-in is begun in the same Begin, and says what is so of the account:
// expired, gone, or asked for as ever. A backup code leads to one too. The proof is
// that of the account whose session it is; if the name is another's by now it is
// denied. The token that a reauthentication gives is privileged, and dropped unused: it is of
// the session that is kept, and to end the one would end the other.
//
// [Provider.Close] wipes the sessions and ends them on the server, those that it answers
// for within two seconds. Copies that Go made of a bearer are not wiped.
package kanidm
