// Package message seals and opens the messages of applications, docs/applications.md: what an
// application, an instance of it or a person says to the realm, and what the realm answers.
// Server and clients share it. The messages are OpenPGP's (RFC 9580, and RFC 4880 as GnuPG 2.2
// reads and writes it), and what stands in them is one JSON object, an [Envelope].
//
// It promises:
//
//   - What [Open] returns was signed, once, by a key that the caller found good for whoever the
//     text says it is from; and whatever was to be encrypted was, with a check of integrity. It
//     takes one shape of packets and no other: nothing compressed, nothing signed twice,
//     nothing behind the end.
//   - A weak or unknown algorithm is refused, in a key as in a message: RSA below 3072 bits,
//     DSA, ElGamal, SHA-1 and MD5, 3DES and CAST5. So is a key that is expired or revoked, and
//     a signature of the future.
//   - A text with a field that is unknown, missing or twice there, or with anything behind it, is no
//     envelope.
//
// It knows no accounts and no store: who may say what is decided in server/application. Which
// purpose is said by whom, and answered how, is the table in purpose.go.
package message
