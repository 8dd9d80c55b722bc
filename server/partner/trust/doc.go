// Package trust says which realms are partners of this one (docs/partners.md), and by what they
// are known: it adds, confirms and removes them, judges whether what one told may be used, and
// keeps the alarms about them.
//
// It promises:
//
//   - A realm becomes a partner by its name, the address of one of its servers, and a fingerprint
//     that an administrator has from the other one's. Whoever answers at the address must be
//     that realm by the fingerprint, as when a machine joins.
//   - Neither this realm itself nor a partner becomes one. A name that looks like another that is
//     known here, or has letters that are not of ASCII, is refused until the administrator says
//     that it looks so.
//   - What a partner told is used only while both trust each other and it was reached within
//     [StaleAfter].
//   - An alarm is one line of the log, and one row of the audit log, each time that it says
//     something new.
//
// The alarms:
//
//	kind           when                                                what is taken   it ends
//	key-list       the key list does not follow from the trusted key   nothing         by itself, or confirmed
//	realm-name     the key list is of another realm                    nothing         by itself, or confirmed
//	clock          the clocks are more than [ClockSkew] apart          nothing         by itself, or confirmed
//	people         it tells of more people than are kept of one        nothing         by itself, or confirmed
//	realm-key      the realm key was changed, signed by the one before all             confirmed
//	organisation   it says something else of itself                    all             confirmed
//	history        it forgot what it has told before                   all             confirmed
package trust
