-- Servers that only read, from a hot standby. Each has a key of its own that signs what lets
-- people in, and one that the secrets of one-time codes are encrypted to, for it alone.
-- reported is the newest failure or used code that it has reported.
CREATE TABLE readers (
	id          TEXT    PRIMARY KEY,
	url         TEXT    NOT NULL UNIQUE,
	tls         BLOB    NOT NULL,
	public_key  BLOB    NOT NULL UNIQUE,
	codes_key   BLOB    NOT NULL,
	codes       INTEGER NOT NULL,
	admitted    INTEGER NOT NULL,
	reported    INTEGER NOT NULL,
	reported_at INTEGER NOT NULL
) STRICT;
CREATE TABLE reader_codes (
	reader       TEXT    NOT NULL REFERENCES readers(id) ON DELETE CASCADE,
	account_uuid TEXT    NOT NULL REFERENCES totps(account_uuid) ON DELETE CASCADE,
	epoch        INTEGER NOT NULL,
	sealed       BLOB    NOT NULL,
	PRIMARY KEY (reader, account_uuid)
) STRICT;

-- What such a server remembers in a file of its own: the newest time step of each one-time
-- code's secret that was used there, and what a full server has not been told yet. seq only
-- grows, also over a file that was put back.
CREATE TABLE used_steps (
	account_uuid TEXT    NOT NULL,
	epoch        INTEGER NOT NULL,
	step         INTEGER NOT NULL,
	PRIMARY KEY (account_uuid, epoch)
) STRICT;
CREATE TABLE unreported (
	seq          INTEGER PRIMARY KEY,
	made         INTEGER NOT NULL,
	name         TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	machine      TEXT    NOT NULL,
	origin       TEXT    NOT NULL,
	account_uuid TEXT    NOT NULL,
	epoch        INTEGER NOT NULL,
	step         INTEGER NOT NULL
) STRICT;
