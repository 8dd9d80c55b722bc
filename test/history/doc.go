// Package history tests what a machine believes when its server goes back in time: a real
// server and a real daemon, with its cache on disk, in one process. The server is backed
// up, restored, and its folder put back behind its back; the machine is connected, away,
// or started anew in between.
package history
