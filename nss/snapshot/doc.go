// Package snapshot writes and reads the directory snapshot: one immutable file
// that every process maps, so that names need no daemon, no system call and no
// lock. [Write] makes one, [Reader] reads one in Go, [Marks] sets the three words
// that may change once a file is published. nss/module/snapshot.c is the reader
// that programs use; testdata/hashes.txt holds the two to each other.
//
// It promises: a file that was cut off, changed by a bit, made by another version
// or on a machine of another byte order is refused, and what it holds is never
// followed: everything that is believed is covered by a checksum, and every offset
// is checked against the file's size before it is used. It holds no secret and no
// password. It decides nothing: who is in it is the daemon's affair.
//
// # The file
//
// Numbers are in the machine's own byte order. Offsets count bytes from the start
// of the file. Sections begin at multiples of 64, records at multiples of 8; what
// fills up is zero.
//
//	header | accounts | groups | four tables
//
// The header is 1024 bytes. Its first 64 bytes are the same in every version.
//
//	offset size what
//	0      8    "SALLYDIR"
//	8      4    0x01020304 in the writer's byte order
//	12     4    version: 2
//	16     4    superseded: not zero once a newer file is in place (may change)
//	20     4    zero
//	24     8    absent until: before this second (Unix time) a name or id that is
//	            not here does not exist; 0: ask the daemon (may change)
//	32     8    valid until: from this second on the file answers nothing (may change)
//	40     24   zero
//	64     8    check: of bytes 72 to 1023
//	72     8    size of the file
//	80     16   seed: two words, random for each file
//	96     8    when it was written, Unix time in nanoseconds
//	104    4    flags: 1 = other spellings find accounts and groups too
//	108    4    zero
//	112    24   accounts: offset (8), length (8), number of records (8)
//	136    24   groups: the same
//	160    24   zero: a section that earlier programs wrote; readers pass it over
//	184    24   table of accounts by name: offset, length, number of entries
//	208    24   table of accounts by uid
//	232    24   table of groups by name
//	256    24   table of groups by gid
//	280    1    number of realms, at most 8
//	281    743  the realms, in their order: flags (1), length of the name (1), at most
//	            90, name. Flags: 1 = names of its accounts are name@realm, 2 = names of
//	            its groups are
//
// An account's record; records follow each other, uids ascending. Texts and the
// two lists of ids are checked apart, so that each question reads what it needs.
//
//	0      4    check of bytes 4 up to the end of the texts, and not of their filling
//	4      4    check of the lists of ids; that of nothing when both are empty
//	8      4    uid
//	12     4    gid
//	16     2    length of the full name
//	18     2    length of the home directory
//	20     2    length of the shell
//	22     2    number of groups besides gid, at most 4095
//	24     1    length of the name
//	25     1    number of local groups
//	26     1    flags: 1 = a group of the same name, whose gid is the uid and gid of
//	            the account and whose only member it is, is not among the groups
//	27     1    number of its realm; the first is 0
//	28     …    name NUL "x" NUL full name NUL home NUL shell NUL, as passwd(5)
//	            has them and getpwnam(3) copies them; filled up to a multiple of 4
//	…      4 n  ids of groups, ascending, then of local groups
//
// A group's record; gids ascend.
//
//	0      4    check of bytes 4 up to the end of its texts, and not of their filling
//	4      4    check of the members; that of nothing when there are none
//	8      4    gid
//	12     4    number of members
//	16     4    bytes of members
//	20     1    length of the name
//	21     1    number of its realm
//	22     2    zero
//	24     …    name NUL "x" NUL, filled up to a multiple of 8
//	…      …    members: each its name and NUL, in the order of uids
//
// A line is 64 bytes: what tables are made of.
//
//	0      4    check of bytes 4 to 63
//	4      4    a number, see below
//	8      56   seven pairs of two four-byte words; what is not used is zero
//
// A table has n > 0 lines, or length 0 when it has no entries. An entry with hash h
// belongs in line (h>>32)*n>>32; when that one is full it goes to the next with room,
// the first following the last. The number of a line counts the entries that found it
// full and went on, so a reader goes on only from a line whose number is not zero. A
// pair is the low half of h and the record's offset divided by 8, which is never 0;
// pairs are used from the first on. An account whose group is not among the groups is in
// no table of groups: a reader asks those of accounts after them.
//
// # Other spellings
//
// A name that is looked for as it was typed, ASCII upper case folded, may be anybody's.
// Where there is none, and the flag is set: one with "@" and a realm's name after it
// (compared without case) may be the shorter name, in that realm; one without may be the
// name in a realm that qualifies its names, the first realm first.
//
// # Hash and check
//
// All arithmetic is modulo 2^64. mix(a, b) is the upper half of the 128-bit product
// a×b exclusive-or its lower half. r64(p), r32(p) are numbers at p.
//
//	k0, k1, k2 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F
//
//	hash(s0, s1, bytes, n):
//	    h = s0 ^ n*k0
//	    while n > 16:  h = mix(r64(p) ^ s1, r64(p+8) ^ h);  p += 16;  n -= 16
//	    if n >= 8:     a, b = r64(p), r64(p+n-8)
//	    else if n >= 4: a, b = r32(p), r32(p+n-4)
//	    else if n > 0: a, b = p[0]<<16 | p[n/2]<<8 | p[n-1], 0
//	    else:          a, b = 0, 0
//	    return mix(mix(a ^ s1, b ^ h) ^ s0 ^ k1, k2)
//
// The tables' hash of a name is hash(seed0, seed1, name); of an id it is
// mix(mix(id ^ seed0, k0 ^ seed1) ^ k1, k2). A record's or line's check is the low
// half of hash(seed0 + offset, seed1, bytes), where offset is that of its first byte
// in the file; that of a list or a block of members takes the offset of the list or block.
// The header's check is hash(k1, k2, bytes), all of it.
//
// The seed keeps names that an outsider chose from meeting in one line. The check
// finds accidents; it is no signature. Who may write the file is the daemon's user,
// whom every reader has to trust with names and nothing more: the C reader checks
// each name, id and text before a program sees it. That it does at each lookup, in the
// copy that the program gets; a check that was right it does not compute again for the
// same mapping.
//
// # Life of a file
//
// A new file is written under another name, synced, and renamed over the old one.
// Then the old one's word "superseded" is set: a process that has it mapped sees that
// at its next lookup, maps the new one and lets go of the old. A published file is never
// cut short or written to but for the three words, each written whole.
package snapshot
