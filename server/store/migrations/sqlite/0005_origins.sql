-- Failures are counted where they come from: by machine and origin, by machine (no
-- origin), and over the realm (neither). What was counted before goes: it was by name
-- alone, so nobody can say where it came from, and no lock of it lasts 15 minutes.
DROP TABLE failures;
CREATE TABLE failures (
	name         TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	machine      TEXT    NOT NULL,
	origin       TEXT    NOT NULL,
	count        INTEGER NOT NULL,
	since        INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	last         INTEGER NOT NULL,
	-- Whether nobody had that name at the last failure.
	stranger     INTEGER NOT NULL,
	PRIMARY KEY (name, kind, machine, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_by_age ON failures(stranger, last);

-- Where people have signed in.
CREATE TABLE places (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	machine_uuid TEXT    NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	origin       TEXT    NOT NULL,
	last         INTEGER NOT NULL,
	PRIMARY KEY (account_uuid, machine_uuid, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX places_by_machine ON places(machine_uuid);
CREATE INDEX places_by_age ON places(last);
