// Package cardservice lets the server and a machine's card service prove themselves to each
// other before a PIN is typed, by signed challenges, where [Options] say with what.
// [Handler] implements CardService; anyone who reaches the port may call it.
//
// A challenge of ours is good once and for 2 minutes. Ours is the signature only for a card
// service whose key is in the file and that has signed such a challenge. The certificate is
// handed out as it lies in its file and never looked into. It knows no account and no
// database. [MakeKeys] makes all the files.
package cardservice
