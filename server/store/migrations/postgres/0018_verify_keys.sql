-- The table of the SQLite migration 0028, whose comment says what it is for.
CREATE TABLE verify_keys (
	account_uuid TEXT   PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	public_key   BYTEA  NOT NULL,
	made         BIGINT NOT NULL
);
