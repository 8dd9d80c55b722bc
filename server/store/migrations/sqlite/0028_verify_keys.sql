-- The public halves of the keys that people make sure of each other with, docs/verify.md. The
-- private half never leaves the person's machine.
CREATE TABLE verify_keys (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	public_key   BLOB    NOT NULL,
	made         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
