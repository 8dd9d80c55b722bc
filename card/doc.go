// Package card uses the PIV smartcards (NIST SP 800-73-4) in the readers of this
// machine, through pcscd. It is the daemon's card service: [Service] finds a card
// that is wanted, lets it sign or agree on a secret, lists what is there and prepares
// a card for enrolment.
//
// # Promises
//
// Every error is an *identity.CardError, with the fault that a person can do
// something about. No card is held between two calls: each opens it, does its
// work and closes it. Nobody is asked for anything here, and a PIN is sent only
//
//   - to a card whose certificate is the one that was found, looked at again while
//     the card is ours alone;
//   - if it has the form of a PIN (6 to 8 bytes), so that a mistyped one of another
//     form costs no try;
//   - once in a call, before anything is signed or made.
//
// A key that is in slot 9D is never replaced (agree.go).
//
// After a use of a key the PIN is forgotten by the card as well: it is reset before
// another program gets it.
//
// # One worker
//
// libpcsclite blocks in C, where no deadline reaches. One worker at a time talks to
// it; calls wait for their turn as long as their context allows. A call whose time
// is up returns at once and leaves the worker behind, which closes the card when
// it comes back. So a pcscd that hangs costs one thread, and not one a login:
//
//	worker                     another call
//	idle                       becomes the worker
//	working                    waits for its turn, then CardBusy
//	given up, in a touch       waits for its turn, then CardBusy
//	given up, hanging          CardNoService, at once
//
// # Which fault
//
// A live card that is wanted wins, in whichever reader. Without one the first of
// these that any reader has is told: revoked, expired, not yet valid, busy,
// removed, unsupported, wrong, unknown, not PIV, none, no reader. No service and
// not allowed end the search.
//
//	what happened                                      fault
//	pcscd's socket is not there, or is closed          CardNoService
//	the socket's mode, or polkit, refuses us           CardNotAllowed
//	the reader's card is another program's             waited for, then CardBusy
//	SELECT of the PIV application is refused           CardNotPIV
//	no certificate in 9A and 9C                        CardNotPIV
//	the card is gone or was reset between two commands CardRemoved
//	a wrong PIN; its counter at zero                   CardWrongPIN; CardBlocked
//	the key wants a touch, and refuses to sign         CardUntouched
//	the key's kind is none of the four                 CardUnsupported
//
// # What it does not do
//
// It judges no signature for a login and no account: the daemon and the server do.
// It changes no PIN and unblocks none. A card must know Yubico's GET VERSION, which
// piv-go asks first; one without it is CardUnsupported.
package card
