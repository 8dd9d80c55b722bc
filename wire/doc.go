// Package wire is the one local protocol, spoken over Unix sockets of type
// SOCK_SEQPACKET between host programs, the CLI and sallyportd. docs/protocol.md
// is the reference; cwire/wire.h is the same for C. The vectors in testdata hold the
// two to each other.
//
// One message is one packet of at most [MaxPacket] bytes: a four-byte header
// (version, type, two zero bytes), then fields of a two-byte tag, a two-byte
// length and that many bytes, all little-endian. A type's [Schema] says which
// fields it must, may and may not have. A message that breaks a rule is
// [ErrMalformed] and ends its connection, and no other.
//
// The package checks form only: names, ids and rights are checked by whoever
// the message is for. It holds no state but an open connection.
package wire
