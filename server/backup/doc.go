// Package backup writes a realm's folder to one file, and makes a folder of such a file.
//
// [Make] may run beside a server: the database is copied at one moment, and the key that it
// signs with must be in the file as well, or there is no backup. [Restore] begins a new
// history, so that machines know what was lost (package realm), and gives no id out again
// that the folder which it replaces gave out. Until its end nothing at the target has
// changed. A backup holds the keys in the
// clear, and is 0600.
package backup
