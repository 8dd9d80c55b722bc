-- The console, docs/console.md: whether it is served, whether the server may hold keys to verify
-- people with, and the private halves of those keys, encrypted. A half belongs to the public one
-- beside it: where verify_keys has another one, it counts for nothing.
ALTER TABLE realm ADD COLUMN console INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN verify_server_keys INTEGER NOT NULL DEFAULT 0;
CREATE TABLE verify_held (
	account_uuid TEXT PRIMARY KEY REFERENCES verify_keys(account_uuid) ON DELETE CASCADE,
	public_key   BLOB NOT NULL,
	sealed       BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What the server remembers of those whom somebody has verified by a key that it holds. confirmed
-- is the key that was confirmed last; heard the newest step whose code was heard.
CREATE TABLE verify_heard (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	realm        TEXT    NOT NULL,
	id           TEXT    NOT NULL,
	name         TEXT    NOT NULL,
	confirmed    BLOB,
	confirmed_at INTEGER NOT NULL,
	heard        INTEGER NOT NULL,
	count        INTEGER NOT NULL,
	since        INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	PRIMARY KEY (account_uuid, realm, id)
) STRICT, WITHOUT ROWID;

-- Where people have signed in to the console: as in places, whose machines are of the realm.
CREATE TABLE console_places (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	machine_uuid TEXT    NOT NULL,
	origin       TEXT    NOT NULL,
	last         INTEGER NOT NULL,
	PRIMARY KEY (account_uuid, machine_uuid, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX console_places_by_age ON console_places(last);
