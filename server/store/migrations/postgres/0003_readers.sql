-- The tables of the SQLite migration 0013, whose comments say what they are for.
CREATE TABLE readers (
	id          TEXT   PRIMARY KEY,
	url         TEXT   NOT NULL UNIQUE,
	tls         BYTEA  NOT NULL,
	public_key  BYTEA  NOT NULL UNIQUE,
	codes_key   BYTEA  NOT NULL,
	codes       BIGINT NOT NULL,
	admitted    BIGINT NOT NULL,
	reported    BIGINT NOT NULL,
	reported_at BIGINT NOT NULL
);
CREATE TABLE reader_codes (
	reader       TEXT   NOT NULL REFERENCES readers(id) ON DELETE CASCADE,
	account_uuid TEXT   NOT NULL REFERENCES totps(account_uuid) ON DELETE CASCADE,
	epoch        BIGINT NOT NULL,
	sealed       BYTEA  NOT NULL,
	PRIMARY KEY (reader, account_uuid)
);
CREATE TABLE used_steps (
	account_uuid TEXT   NOT NULL,
	epoch        BIGINT NOT NULL,
	step         BIGINT NOT NULL,
	PRIMARY KEY (account_uuid, epoch)
);
CREATE TABLE unreported (
	seq          BIGINT PRIMARY KEY,
	made         BIGINT NOT NULL,
	name         TEXT   NOT NULL,
	kind         TEXT   NOT NULL,
	machine      TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	account_uuid TEXT   NOT NULL,
	epoch        BIGINT NOT NULL,
	step         BIGINT NOT NULL
);
