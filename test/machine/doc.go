// Package machine makes throwaway Linux machines for tests and for the demo: the
// real programs of the host (sshd, sudo, su, login, glibc) on an overlay whose
// every change is forgotten, in mount, network and PID namespaces of its own.
//
// Call [Enter] first thing in main or TestMain: it moves the whole program into
// fresh namespaces, where loopback is the only network. Nothing outside the
// overlay is written, nothing outside the namespaces is bound. It needs root.
package machine
