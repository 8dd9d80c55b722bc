-- Names and addresses, in lower case, by which people reach a machine by ssh. An
-- administrator gave them: a machine says nothing about its own.
CREATE TABLE machine_hosts (
	host         TEXT    PRIMARY KEY,
	machine_uuid TEXT    NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	address      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX machine_hosts_by_machine ON machine_hosts(machine_uuid);

-- The rules that requests are judged by, in the order of their places. who and approvers
-- are groups, which stay while a rule names them; body is the rest, as JSON.
CREATE TABLE request_rules (
	name      TEXT    PRIMARY KEY,
	place     INTEGER NOT NULL,
	who       TEXT    REFERENCES groups(uuid),
	approvers TEXT    REFERENCES groups(uuid),
	body      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What was asked for. Accounts and machines may be gone while a request stays, so it has
-- their names. until is when the state ends by itself, changed when it began; early tells
-- that a grant was ended before its time; body is what nobody searches by, as JSON.
CREATE TABLE requests (
	uuid         TEXT    PRIMARY KEY,
	kind         TEXT    NOT NULL,
	role         TEXT    NOT NULL,
	state        TEXT    NOT NULL,
	account_uuid TEXT    NOT NULL,
	machine_uuid TEXT    NOT NULL,
	asked        INTEGER NOT NULL,
	until        INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	early        INTEGER NOT NULL,
	detail       BLOB    NOT NULL,
	body         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_account ON requests(account_uuid, state);
CREATE INDEX requests_by_machine ON requests(machine_uuid, state);
CREATE INDEX requests_by_state ON requests(state, until);
CREATE INDEX requests_ended ON requests(early, changed);

-- The accounts that a request is about, which do not decide it, and the groups whose
-- members do. Both are there while it waits.
CREATE TABLE request_parties (
	request_uuid TEXT NOT NULL REFERENCES requests(uuid) ON DELETE CASCADE,
	account_uuid TEXT NOT NULL,
	PRIMARY KEY (request_uuid, account_uuid)
) STRICT, WITHOUT ROWID;
CREATE TABLE request_needs (
	request_uuid TEXT NOT NULL REFERENCES requests(uuid) ON DELETE CASCADE,
	group_uuid   TEXT NOT NULL,
	PRIMARY KEY (request_uuid, group_uuid)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_needs_by_group ON request_needs(group_uuid);

-- The revision at which a grant was last ended before its time.
ALTER TABLE realm ADD COLUMN grants_ended INTEGER NOT NULL DEFAULT 0;
