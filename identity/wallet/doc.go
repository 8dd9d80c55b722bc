// Package wallet reads and checks what somebody signs with the key of an Ethereum account to
// log in: a message of EIP-4361 (Sign-In with Ethereum), signed as personal_sign does
// (EIP-191, version 0x45). Both ends use it: the one that has the message signed, and the
// server's. docs/identity-service.md has what clients of other makers must know.
//
// It promises:
//
//   - [Parse] takes what the grammar of EIP-4361 allows and nothing else, and an address only
//     with the checksum of EIP-55.
//   - [Read] tells whose key made the signature. One signature of a message and a key is taken:
//     that with the low s (EIP-2).
//   - [Login.Check] takes a message for one realm, one chain, one device and a few minutes.
//
// It does not know which account has which wallet, and not which nonces were used. Contracts,
// which have no key (EIP-1271), cannot log in: nothing here asks a chain.
package wallet
