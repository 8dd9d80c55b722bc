-- The identity service, where it is switched on: its OPAQUE keys, encrypted, and for how many
-- days a token is good without being used, and at most.
CREATE TABLE identity_service (
	one       INTEGER PRIMARY KEY CHECK (one = 1),
	sealed    BLOB    NOT NULL,
	enabled   INTEGER NOT NULL,
	idle_days INTEGER NOT NULL,
	most_days INTEGER NOT NULL
) STRICT;

-- What an account has registered, under which credential identifier.
CREATE TABLE identity_records (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	credential   BLOB    NOT NULL,
	record       BLOB    NOT NULL,
	made         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The code with which an account may register, once.
CREATE TABLE identity_codes (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	code_hash    BLOB    NOT NULL,
	expires      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The tokens, one for a device of an account.
CREATE TABLE identity_tokens (
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	device       TEXT    NOT NULL,
	token_hash   BLOB    NOT NULL,
	auth_type    TEXT    NOT NULL,
	created      INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	PRIMARY KEY (account_uuid, device)
) STRICT, WITHOUT ROWID;
