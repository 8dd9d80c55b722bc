// Package console serves pages for people who have a browser and no machine of the realm at
// hand (docs/console.md): they sign in, have the server hold a key of theirs where the realm
// allows it, and make sure of somebody on the telephone. It is HTML without any script.
//
// It decides nothing: package auth decides who signs in, and package verification what comes
// of a code. It knows no SQL.
//
// It promises:
//
//   - Nothing is served unless the realm has switched the console on, and nothing by a server
//     that only reads or is not fit to answer.
//   - What changes anything is a POST of a form that this server gave to this very session: by
//     its token, and by what a browser says of where the request comes from.
//   - The cookie is 256 random bits, another one at each change of state below. The server keeps
//     its hash in memory. It is Secure, HttpOnly, SameSite=Strict, and of this host alone.
//   - At each request the account is as good as when it signed in (auth.StillSignedIn), or the
//     session is over.
//   - A key is made, replaced or ended only within 5 minutes of a sign-in.
//   - A code is judged against the person whose page the form was on, once for each page.
//   - Nothing of a page is stored by a browser or a proxy, framed by another page, or fetched
//     from anywhere else.
//   - Text of others is shown as text.
//
// A session:
//
//	state      event                                    next state
//	(none)     right password, and no more is needed    signed in
//	(none)     right password, and a code is needed     proving
//	proving    right code                               signed in
//	proving    wrong code; 2 minutes                    (none)
//	signed in  sign out; 15 minutes without a request;  (none)
//	           1 hour in all; the account has changed;
//	           the realm's console is off; a restart
//
// Sessions are of one server: with several, people sign in at one of them.
package console
