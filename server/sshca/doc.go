// Package sshca is what logins by ssh are granted with. [Kind] says what a request to log in
// by ssh is about: which machines, as whom, in which order.
package sshca
