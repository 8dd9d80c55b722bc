// Package vcard is a PIV card in software for tests, and the readers that it goes
// into: real pcscd with the driver of vsmartcard-vpcd.
//
// The card has the applet of NIST SP 800-73-4 as far as a login needs it, with
// Yubico's extensions (version, serial, metadata, attestation, management key by
// AES or 3DES). Keys are RSA 2048, P-256, P-384 and Ed25519; one of a curve in slot 9D
// agrees on secrets (ECDH). A test may take it out in the middle of a command, let it
// hang, answer garbage, or leave it untouched.
//
//	state         entered by                       left by
//	not selected  power on, reset, other SELECT    SELECT of the PIV application
//	selected      SELECT                           power on, reset, other SELECT
//	PIN verified  VERIFY with the right PIN        a wrong one, SELECT, reset; a use of a key of policy "always"
//	managed       both rounds of 87 … 9B           SELECT, reset
//
// The driver listens on all addresses without authentication: only ever start it
// in a network namespace of its own ([Start] refuses elsewhere).
package vcard
