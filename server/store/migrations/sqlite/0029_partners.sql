-- Realms that this one trusts, and which of their people can be verified: docs/partners.md.
-- What the realm says of itself to others.
ALTER TABLE realm ADD COLUMN organisation TEXT NOT NULL DEFAULT '';

-- Whether partners are told of the account. Nobody is who has not said so.
ALTER TABLE verify_keys ADD COLUMN partners INTEGER NOT NULL DEFAULT 0;

-- Accounts that partners may have been told of, so that they hear when one is gone. It stays
-- when the account is removed, until the change log forgets it too.
CREATE TABLE partner_told (account_uuid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- root_key is the realm key that is trusted, key_bundle the newest list that it led to, and
-- list_version that list's. history and position are how far this realm came in the other's
-- change log; listing says since when a whole list is being told, 0: none is. next is when to
-- ask again: whoever moves it on is the one server that asks. fault is why the last try failed,
-- and refused says that the other realm does not trust this one.
CREATE TABLE partners (
	id           TEXT    PRIMARY KEY,
	realm        TEXT    NOT NULL UNIQUE,
	urls         TEXT    NOT NULL,
	root_key     BLOB    NOT NULL,
	key_bundle   BLOB    NOT NULL,
	list_version INTEGER NOT NULL,
	organisation TEXT    NOT NULL,
	added        INTEGER NOT NULL,
	history      TEXT    NOT NULL,
	position     INTEGER NOT NULL,
	listing      INTEGER NOT NULL,
	next         INTEGER NOT NULL,
	tried        INTEGER NOT NULL,
	reached      INTEGER NOT NULL,
	refused      INTEGER NOT NULL,
	fault        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_alarms (
	partner TEXT    NOT NULL REFERENCES partners(id) ON DELETE CASCADE,
	kind    TEXT    NOT NULL,
	text    TEXT    NOT NULL,
	since   INTEGER NOT NULL,
	PRIMARY KEY (partner, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_people (
	partner     TEXT    NOT NULL REFERENCES partners(id) ON DELETE CASCADE,
	uuid        TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	full_name   TEXT    NOT NULL,
	public_key  BLOB    NOT NULL,
	made        INTEGER NOT NULL,
	valid_from  INTEGER NOT NULL,
	valid_until INTEGER NOT NULL,
	server_held INTEGER NOT NULL,
	PRIMARY KEY (partner, uuid),
	UNIQUE (partner, name)
) STRICT, WITHOUT ROWID;
