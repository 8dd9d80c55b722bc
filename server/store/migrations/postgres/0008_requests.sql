-- The tables and columns of the SQLite migration 0018, whose comments say what they are for.
CREATE TABLE machine_hosts (
	host         TEXT   PRIMARY KEY,
	machine_uuid TEXT   NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	address      BIGINT NOT NULL
);
CREATE INDEX machine_hosts_by_machine ON machine_hosts(machine_uuid);
CREATE TABLE request_rules (
	name      TEXT   PRIMARY KEY,
	place     BIGINT NOT NULL,
	who       TEXT   REFERENCES groups(uuid),
	approvers TEXT   REFERENCES groups(uuid),
	body      BYTEA  NOT NULL
);
CREATE TABLE requests (
	uuid         TEXT   PRIMARY KEY,
	kind         TEXT   NOT NULL,
	role         TEXT   NOT NULL,
	state        TEXT   NOT NULL,
	account_uuid TEXT   NOT NULL,
	machine_uuid TEXT   NOT NULL,
	asked        BIGINT NOT NULL,
	until        BIGINT NOT NULL,
	changed      BIGINT NOT NULL,
	early        BIGINT NOT NULL,
	detail       BYTEA  NOT NULL,
	body         BYTEA  NOT NULL
);
CREATE INDEX requests_by_account ON requests(account_uuid, state);
CREATE INDEX requests_by_machine ON requests(machine_uuid, state);
CREATE INDEX requests_by_state ON requests(state, until);
CREATE INDEX requests_ended ON requests(early, changed);
CREATE TABLE request_parties (
	request_uuid TEXT NOT NULL REFERENCES requests(uuid) ON DELETE CASCADE,
	account_uuid TEXT NOT NULL,
	PRIMARY KEY (request_uuid, account_uuid)
);
CREATE TABLE request_needs (
	request_uuid TEXT NOT NULL REFERENCES requests(uuid) ON DELETE CASCADE,
	group_uuid   TEXT NOT NULL,
	PRIMARY KEY (request_uuid, group_uuid)
);
CREATE INDEX request_needs_by_group ON request_needs(group_uuid);
ALTER TABLE realm ADD COLUMN grants_ended BIGINT NOT NULL DEFAULT 0;
