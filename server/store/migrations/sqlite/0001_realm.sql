CREATE TABLE realm (
	id           INTEGER PRIMARY KEY CHECK (id = 1),
	name         TEXT    NOT NULL,
	id_min       INTEGER NOT NULL,
	id_max       INTEGER NOT NULL,
	id_next      INTEGER NOT NULL,
	offline_for  INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	compacted_to INTEGER NOT NULL,
	clock        INTEGER NOT NULL
) STRICT;

-- Every id that was ever given out. Rows stay when their owner goes, so that no
-- id is given out twice.
CREATE TABLE posix_ids (
	id    INTEGER PRIMARY KEY,
	owner TEXT NOT NULL
) STRICT;
CREATE TRIGGER posix_ids_stay BEFORE DELETE ON posix_ids
BEGIN SELECT RAISE(ABORT, 'an id is never given back'); END;
CREATE TRIGGER posix_ids_fixed BEFORE UPDATE ON posix_ids
BEGIN SELECT RAISE(ABORT, 'an id never changes its owner'); END;

-- One name space for accounts and groups.
CREATE TABLE names (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
	uuid        TEXT    PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE REFERENCES names(name),
	uid         INTEGER NOT NULL UNIQUE REFERENCES posix_ids(id),
	full_name   TEXT    NOT NULL,
	home        TEXT    NOT NULL,
	shell       TEXT    NOT NULL,
	state       INTEGER NOT NULL,
	valid_from  INTEGER NOT NULL,
	valid_until INTEGER NOT NULL,
	revision    INTEGER NOT NULL,
	group_uuid  TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE groups (
	uuid    TEXT    PRIMARY KEY,
	name    TEXT    NOT NULL UNIQUE REFERENCES names(name),
	gid     INTEGER NOT NULL UNIQUE REFERENCES posix_ids(id),
	demands TEXT    NOT NULL
) STRICT;

CREATE TABLE group_accounts (
	group_uuid   TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	account_uuid TEXT NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	PRIMARY KEY (group_uuid, account_uuid)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_accounts_by_account ON group_accounts(account_uuid);

CREATE TABLE group_groups (
	parent TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	child  TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	PRIMARY KEY (parent, child),
	CHECK (parent <> child)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_groups_by_child ON group_groups(child);

CREATE TABLE ssh_keys (
	account_uuid TEXT NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	tag          TEXT NOT NULL,
	line         TEXT NOT NULL,
	PRIMARY KEY (account_uuid, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE passwords (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	phc          TEXT    NOT NULL,
	epoch        INTEGER NOT NULL
) STRICT;

CREATE TABLE totps (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	sealed       BLOB    NOT NULL,
	label        TEXT    NOT NULL,
	epoch        INTEGER NOT NULL,
	last_step    INTEGER NOT NULL
) STRICT;

-- Keyed by name, so that a name that does not exist locks like one that does.
CREATE TABLE failures (
	name         TEXT    PRIMARY KEY,
	count        INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	last         INTEGER NOT NULL
) STRICT;
CREATE INDEX failures_by_age ON failures(last);

CREATE TABLE machines (
	uuid         TEXT    PRIMARY KEY,
	name         TEXT    NOT NULL UNIQUE,
	public_key   BLOB    UNIQUE,
	joined       INTEGER NOT NULL,
	code_hash    BLOB    UNIQUE,
	code_expires INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	public_key BLOB    NOT NULL UNIQUE,
	made       INTEGER NOT NULL
) STRICT;

-- The newest change of each account; an account that is gone keeps its last row
-- until the log is compacted.
CREATE TABLE changes (
	account_uuid TEXT    PRIMARY KEY,
	revision     INTEGER NOT NULL UNIQUE,
	gone         INTEGER NOT NULL,
	made         INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	made    INTEGER NOT NULL,
	actor   TEXT    NOT NULL,
	action  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	hash    BLOB    NOT NULL
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
