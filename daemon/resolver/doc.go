// Package resolver finds the accounts and groups of one realm: it fetches them from a
// provider, follows its changes, remembers them in a cache, and answers lookups from
// package directory. It decides about no login, and knows no transport and no server.
//
// Whoever decides uses it: FindName and FetchName find an account, CheckedAt says how old
// what is known of it is, Apply takes over what came with a login, Note tells how a call
// to the server went. What an account proved on this machine is kept elsewhere; the
// resolver says when it counts no more ([Proofs]).
//
// # Order
//
// What changes the cache and the directory is done one after the other, under a lock that
// is held across the database, never across the network, and that no lookup takes. The
// directory is changed first, so that a revocation counts although the disk is full.
// [Resolver.InOrder] lets others keep that order.
//
// # Online and offline
//
// An absent name is an answer only when the list of the realm is complete. The
// link's state:
//
//	           answered     caught up   alive     failed    broken
//	starting   starting *   online      online    offline   offline
//	online     online       online      online    offline   offline
//	offline    offline *    online      online    offline   offline
//
//	* online, where the provider has no change stream
//
// Answered: a call was. Caught up: the change stream has sent all that we
// missed. Alive: such a stream is still there. Failed: a call got no answer that
// counts. Broken: the stream ended. So with a change stream nothing is granted
// on the strength of being online before everything missed was applied.
//
// # What is refused
//
// Package directory says which tokens are not taken, and what the local files hide. Who
// was refused, and why, is in status, and is kept: at the next start each
// is judged again by the settings of that day, and who would be taken now is asked for.
//
// # Who follows
//
// Whoever publishes names takes [Resolver.View]: the directory at one moment, with
// the local files read once and judged as for every lookup. Revisions tell when it is
// another (package directory has the table); subordinate ids that were given out are
// content as well. They grow before the disk has the news, so a loss is told also when the disk is
// full. Standing is apart: whether an absent name is an answer (the list is whole,
// nothing is unstored, the server was heard of or found out of reach since the
// start) and until when names are answered, which each contact moves if policy
// sets an end. Past that end every lookup is identity.ErrUnavailable unless the
// server can be asked; who may log in is judged apart, by the age of the account.
//
// # When the server goes back
//
// A server that was restored from a backup does not know what it said later. It says so
// in a reset, and from then on nothing that is held lets anybody in, online or offline,
// also after a restart, until the whole list was read. A list wins over what is held,
// whatever the revisions. The table stands in directory/histories.go.
//
// A server that only reads may be behind and has lost nothing: no list is taken from one
// that has heard less than this machine (heard.go), no token of it replaces a newer one,
// and none brings back who is known to be gone.
//
// # Groups that nobody known here is in
//
// A provider that lists no realm may be able to find a group. It is asked like for an
// account: once for all who ask, within LookupTimeout, and nothing remembers a no.
//
//	what is known of a group            answered                 when the realm has it no more
//	members, by their tokens            with them                as their tokens say
//	it was asked for                    without any              gone at the next look or question
//	both                                with them                it is asked for no more
//	its number changed, or is another's not; status says so      gone
//	nothing                             the server is asked
//
// What was found makes nobody a member, and gives nobody anything; of two tokens that
// speak of a group the newer says what it is called. It is signed by the provider and
// has a table of its own in the cache, not a note in the provider's Memory, because it
// is stored in one transaction with the gid that it holds for good, and goes with the
// rest when the cache is cleared. At most Policy.MaxGroups are kept, of which those
// asked for longest ago go first, so a crowd that asks for many fills nothing; a gid
// is kept for each group that the realm truly has. To realms behind this one a group
// is this realm's from the moment it was shown, in an account or by itself, and one
// that policy names is not evicted: so whoever asks for groups can only take
// rights from another realm's people, and never give them any.
//
// # Where the server tells of no change
//
// Accounts and groups are fetched anew before they are older than RefreshEvery: they
// are looked at sixteen times in that span. A server that is away is asked for three of
// them and then left alone until it is tried again.
//
// # Groups and subordinate ids of this machine
//
// Members of a group of the realm get local groups that the policy names for its
// uuid, but never the gid 0; an account that is blocked gets none. Ranges of
// subordinate ids are given out by this machine at the first question of root or
// of the account itself, and are on disk before they are anyone's. They are never
// given twice and never taken back, not by forget, clear or the account's end,
// because files may belong to them. They keep clear of /etc/subuid, /etc/subgid
// and of every id that is known here, and an account or a group that later comes
// with such an id is refused. Only a database that was lost forgets them: then
// another may be given what was someone's, so /etc/subuid is the place for ranges
// that must outlive it.
//
// # Time
//
// The trusted time is the later of the wall clock and the high-water mark plus
// what CLOCK_BOOTTIME counted since. The mark is stored every minute and before
// each attempt that is counted. Only the server's own time, seen in an answer, sets it
// back. So a clock set back lengthens no offline age and shortens no lock, and
// one set far ahead heals at the first contact.
package resolver
