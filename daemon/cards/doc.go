// Package cards is the reader of this machine and the PIV cards in it, as a login sees them:
// a [Reader] finds a card of the account and lets it sign, says who sits there, and tells
// people in words what is wrong with a card. The card service itself is another room's; what
// is needed of it is [Service].
//
// No card is told a PIN unless its owner sits at the reader ([Reader.AtSeat]), and none before
// the card service and the server have proved themselves to each other, where that is asked
// for ([Reader.Prove]). How many wrong PINs there may be is counted by package daemon.
package cards
