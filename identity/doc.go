// Package identity holds the words that every other room speaks: accounts,
// groups, tokens, and what a host program asks of us at the door.
//
// It promises that a value which exists is well formed: a [Name] has passed
// [ParseName], an id has passed [CheckID], and an [IDToken] that [Keyring]
// returned carries a good signature and passes [IDToken.Validate]. Zero values
// grant nothing: the zero [Code] is "unavailable", the zero [State] is
// "unknown", and a zero id is refused.
//
// It does no input or output, keeps no state and decides nothing: who may log
// in is decided in package daemon alone.
package identity
