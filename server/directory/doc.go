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
// up, then each change as it comes, and every 2 seconds that it is alive. No stream makes
// another wait: each reads from the database at its own pace when it is woken. To a
// position that the chain of histories does not contain it says reset, lost. Two machines
// of one identity are told apart in streams.go, which has the table.
//
// # Losses
//
// A token that this realm signed, of changes that the database does not have, proves that
// they were lost (lost.go): once for each lost history. Ids of accounts that were lost are
// kept, and given to nobody else, when a machine reports them.
package directory
