// Package server serves a realm: it joins the rooms below it, listens, and opens the
// administrator's side of a realm, beside a running server or without one.
//
//	realm         the folder: keys, tokens, histories, who calls
//	auth          who proves to be whom: sessions, factors, locks
//	directory     what machines are told: joining, tokens, change streams, losses
//	admin         the administrators' verbs
//	request       what becomes of what people ask for: rules, approvals, grants
//	sshca         what logins by ssh are granted with
//	verification  people who make sure of each other: their keys, what comes of a call
//	console       pages for people without a machine
//	sshagent      has an ssh-agent sign their certificates
//	backup        a backup, and a realm made of one
//	partner       which people of other realms can be verified; partner/trust: which realms
//	cardservice   server and card services prove themselves to each other
//	reporter      what a server that only reads tells a full one
//	store         the only SQL
//	passwords     whether a new password is good enough
//	servertest    a realm for the tests of these rooms
//
// auth, directory, admin, request, cardservice and backup stand on realm and store, and know
// nothing of each other; sshca is one of request's kinds, and console is a front to auth and
// verification. What admin needs of auth and of request it says itself ([admin.Credentials],
// [admin.Locks], [admin.Requests]).
//
// # Who may call what
//
//	RealmService, MachineService.Join,
//	CardService                         anyone who reaches the port
//	PartnerService                      a realm that is a partner, by what it has signed
//	DirectoryService, Authentication…,
//	RequestService                      a machine that has joined, known by the
//	                                    Ed25519 key of its TLS client certificate
//	console                             anyone who reaches the port, where it is switched on;
//	                                    by a session of its own after signing in
//	AdminService                        root or the server's own user, on the
//	                                    socket DIR/admin.sock (SO_PEERCRED)
package server
