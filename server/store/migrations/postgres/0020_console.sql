-- The columns and tables of the SQLite migration 0030, whose comments say what they are for.
ALTER TABLE realm ADD COLUMN console BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN verify_server_keys BIGINT NOT NULL DEFAULT 0;
CREATE TABLE verify_held (
	account_uuid TEXT  PRIMARY KEY REFERENCES verify_keys(account_uuid) ON DELETE CASCADE,
	public_key   BYTEA NOT NULL,
	sealed       BYTEA NOT NULL
);
CREATE TABLE verify_heard (
	account_uuid TEXT   NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	realm        TEXT   NOT NULL,
	id           TEXT   NOT NULL,
	name         TEXT   NOT NULL,
	confirmed    BYTEA,
	confirmed_at BIGINT NOT NULL,
	heard        BIGINT NOT NULL,
	count        BIGINT NOT NULL,
	since        BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	PRIMARY KEY (account_uuid, realm, id)
);
CREATE TABLE console_places (
	account_uuid TEXT   NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	machine_uuid TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	last         BIGINT NOT NULL,
	PRIMARY KEY (account_uuid, machine_uuid, origin)
);
CREATE INDEX console_places_by_age ON console_places(last);
