// Package directory is what the server tells joined machines: [Directory] implements
// DirectoryService, and of MachineService all but GetVerdict.
//
// A machine joins with a code that an administrator got, and with the key that its
// connection proves (join.go). It fetches ID tokens, lists them, and hears of changes by a
// stream (watch.go). It is told of nobody beyond its scope, and is looked up again for
// each event, so one that was removed hears nothing more.
//
// # Change streams
//
// A stream says everything after a position in a history, then that the machine has caught
// up, then each change as it comes, and every 4 or 12 seconds that it is alive (pulse.go). To a
// position that the chain of histories does not contain it says reset, lost. Two machines
// of one identity are told apart in streams.go, which has the table.
//
// # The feed
//
// Streams do not read the database for a change: the feed does, once for all (feed.go). It
// has where the realm stands, the newest changes with a signed token each (ring.go), and the
// machines, all of one moment. A stream
//
//	whose machine is                      and whose position is   reads
//	unchanged, or another that may go on  in the ring             nothing
//	unchanged, or another that may go on  not in the ring         changes and machine of one moment
//	limited to some people                anywhere                the same, where there are changes
//	not in the table, or shut out         anywhere                the machine, which says why it ends
//
// Few read at once (gate.go). Nothing is sent that is newer than what is known of the
// machine. If the feed cannot read, all streams end with that. A machine that does not take
// what it is sent is cut off by the deadline of its writes; nobody waits for it.
//
// # Losses
//
// A token that this realm signed, of changes that the database does not have, proves that
// they were lost (lost.go): once for each lost history. Ids of accounts that were lost are
// kept, and given to nobody else, when a machine reports them.
package directory
