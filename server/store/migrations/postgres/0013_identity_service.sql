-- The tables of the SQLite migration 0023, whose comments say what they are for.
CREATE TABLE identity_service (
	one       BIGINT PRIMARY KEY CHECK (one = 1),
	sealed    BYTEA   NOT NULL,
	enabled   BIGINT  NOT NULL,
	idle_days BIGINT  NOT NULL,
	most_days BIGINT  NOT NULL
);
CREATE TABLE identity_records (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	credential   BYTEA   NOT NULL,
	record       BYTEA   NOT NULL,
	made         BIGINT  NOT NULL
);
CREATE TABLE identity_codes (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	code_hash    BYTEA   NOT NULL,
	expires      BIGINT  NOT NULL
);
CREATE TABLE identity_tokens (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	device       TEXT    NOT NULL,
	token_hash   BYTEA   NOT NULL,
	auth_type    TEXT    NOT NULL,
	created      BIGINT  NOT NULL,
	used         BIGINT  NOT NULL,
	PRIMARY KEY (account_uuid, device)
);
