// Package application answers applications on networks that nobody trusts: instances of them
// announce themselves, people bind keys at instances, and what they ask for becomes jobs,
// docs/applications.md. It is off until an administrator switches it on. Messages are those of
// application/message, one a request by HTTP; it makes no difference who carries them.
//
// It has accounts, the store and the audit log of the realm; the rest of the server does not
// know it.
//
// It promises:
//
//   - Whoever has not proved to be an application or an instance of this realm is told a plain
//     HTTP status with a fixed text and no more, and leaves nothing behind.
//   - A message does one thing, once: its purpose, its sender, its receiver, its id and its time
//     are under the signature, and each is checked before anything is done. An id that was used
//     stays used over a restart, and at all servers of the realm.
//   - An application's key is good for hello and instance.key alone.
//   - A job is done for one reason alone: the application is enabled, the instance is not
//     revoked, the key is this person's at this instance and not revoked, the account is in good
//     standing, and a group of it may. All of that is looked at again when the job is resolved.
//   - A result is given once, to the key that asked for the job, at the instance that carried it.
//   - Every message of a proved sender is in the audit log, refused ones too, with no values in it. Of
//     refusals an application has so many rows a minute (realm.RowBudget).
//
// The states of an instance:
//
//	state      message                        next
//	(none)     hello                          announced, for 5 minutes
//	announced  instance.key, the same code    bound
//	bound      revoked by an administrator    revoked, for good
//
// Those of a person's registration:
//
//	state      message                        next
//	invited    code, within 15 minutes        accepted, for 5 minutes
//	accepted   person.key, the same instance  bound
//	bound      revoked by an administrator    revoked, for good
//
// Those of a job:
//
//	state      what happens                   next
//	(none)     job, and all checks are well   accepted
//	accepted   it is resolved                 resolved, for 5 minutes
//	accepted   10 minutes have gone by        resolved, and not done
//	resolved   result, by the same person     fetched
//	resolved   its time is over               expired
//
// Whatever is not in these tables changes nothing.
package application
