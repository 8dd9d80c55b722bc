// Package subid writes the subordinate ids of the realm's people into the host's own
// files, subuid(5) and subgid(5), where newuidmap(1), podman and unshare(1) look.
//
// Two programs use it. The daemon gives out the ranges and keeps a list of them in its
// state folder ([Marshal]); it runs as a user without rights. The program
// sallyport-subids runs as root, reads that list and adds what is missing ([Host.Add]).
// The second trusts nothing that the first wrote. A range of the list is added when
//
//	its owner is a uid that a directory may have (identity.CheckID)
//	the owner is not an account of /etc/passwd
//	the owner has no line in that file yet
//	the range is one account's and reaches into no id of the system (identity.CheckSubIDs)
//	no line of either file reaches into it, except the owner's own line for the same range
//	it holds no id of /etc/passwd or /etc/group, and no owner of the list
//	no other range of the list overlaps it, and no other range has the same owner
//
// and is refused otherwise; the others of the list are added all the same.
//
// What stands in the files stays there byte for byte: lines are only added, at the end,
// and nothing is ever removed, because files on disk may belong to those ids. A file
// that is not there is not made: useradd(8) gives no ranges where there is none, and
// that is the administrator's choice. Files are replaced by rename(2) after fsync(2),
// with their owner and mode, under the locks that useradd and usermod take.
package subid
