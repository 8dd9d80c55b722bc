-- A history is what one start of the server wrote. Each follows another, of which this
-- database knows the revisions up to branch; what that one wrote behind it is lost here.
CREATE TABLE histories (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT    NOT NULL UNIQUE,
	-- The last revision of the history before that this database knows, and the first of its own.
	branch   INTEGER NOT NULL,
	first    INTEGER NOT NULL,
	began    INTEGER NOT NULL,
	-- start, init, restore or loss; and the reason in words, where there is one.
	kind     TEXT    NOT NULL,
	why      TEXT    NOT NULL
) STRICT;

-- Histories that are no longer this realm's, as machines proved that they were.
CREATE TABLE lost_histories (
	id       TEXT    PRIMARY KEY,
	revision INTEGER NOT NULL,
	seen     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ids of accounts that this database does not know and a machine has seen: nobody else
-- is given them.
CREATE TABLE reserved_ids (
	id      INTEGER PRIMARY KEY,
	owner   TEXT    NOT NULL,
	name    TEXT    NOT NULL,
	machine TEXT    NOT NULL,
	seen    INTEGER NOT NULL
) STRICT;
