-- The least length of a password, in characters, and how many of an account's passwords
-- cannot be used again, the one of today among them; 0: none but that is asked for.
ALTER TABLE realm ADD COLUMN password_min_length INTEGER NOT NULL DEFAULT 8;
ALTER TABLE realm ADD COLUMN password_history INTEGER NOT NULL DEFAULT 0;

-- The hashes of passwords from before, as many as the realm asks for.
CREATE TABLE old_passwords (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	epoch        INTEGER NOT NULL,
	phc          TEXT    NOT NULL,
	PRIMARY KEY (account_uuid, epoch)
) STRICT, WITHOUT ROWID;
