-- breaking
-- For several servers on one database (PostgreSQL); on SQLite the same, for the one that
-- there is.
--
-- news grows with every change that servers and machines are to hear of, machines_at with
-- every change of a machine's standing; servers_at is when it last changed, in nanoseconds,
-- which servers machines are told of. copy is which copy of the database the newest
-- history is of.
ALTER TABLE migrations ADD COLUMN breaking INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN news INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN machines_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN servers_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN copy TEXT NOT NULL DEFAULT '';

-- The private half of the key that signs, encrypted with seal.key; NULL: it signs nothing
-- any more.
ALTER TABLE signing_keys ADD COLUMN sealed BLOB;

-- The realm's own certificate authority, its key encrypted likewise.
CREATE TABLE authority (
	one         INTEGER PRIMARY KEY CHECK (one = 1),
	certificate BLOB NOT NULL,
	sealed      BLOB NOT NULL
) STRICT;

-- The signed key list, with what leads to it.
CREATE TABLE key_list (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	bundle BLOB NOT NULL
) STRICT;

-- The servers of the realm: url is where machines reach one, '' where that is not said, and
-- tls what it is known by.
CREATE TABLE servers (
	id      TEXT    PRIMARY KEY,
	url     TEXT    NOT NULL,
	tls     BLOB    NOT NULL,
	version TEXT    NOT NULL,
	began   INTEGER NOT NULL,
	seen    INTEGER NOT NULL
) STRICT;

-- Codes that a number of machines join with, each under a name of its own. admits are the
-- groups of their scope, by uuid and with a space between, where scoped is 1.
CREATE TABLE join_tokens (
	name      TEXT    PRIMARY KEY,
	code_hash BLOB    NOT NULL UNIQUE,
	remaining INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	scoped    INTEGER NOT NULL,
	admits    TEXT    NOT NULL
) STRICT;
-- The token that a machine joined by; '': a code of its own.
ALTER TABLE machines ADD COLUMN token TEXT NOT NULL DEFAULT '';
