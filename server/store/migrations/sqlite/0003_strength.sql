-- What a group demands beyond kinds, and whether its membership is earned.
ALTER TABLE groups ADD COLUMN points INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN earned INTEGER NOT NULL DEFAULT 0;

-- What each kind of factor counts, where that is not the default.
CREATE TABLE points (
	kind   TEXT    PRIMARY KEY,
	points INTEGER NOT NULL
) STRICT;

ALTER TABLE realm ADD COLUMN require_attestation INTEGER NOT NULL DEFAULT 0;
CREATE TABLE attestation_cas (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	certificate BLOB    NOT NULL UNIQUE
) STRICT;

-- Cards by the SHA-256 of their certificates. A card that was revoked keeps its
-- row, so that it is known again and not taken a second time; public_key (SHA-256)
-- tells it also under another certificate.
CREATE TABLE cards (
	fingerprint  BLOB    PRIMARY KEY,
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	public_key   BLOB    NOT NULL,
	certificate  BLOB    NOT NULL,
	label        TEXT    NOT NULL,
	epoch        INTEGER NOT NULL,
	attested     INTEGER NOT NULL,
	serial       TEXT    NOT NULL,
	revoked      INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_by_account ON cards(account_uuid, revoked, epoch);
CREATE INDEX cards_by_key ON cards(public_key);

-- A set of backup codes, and those of it that were not used, hashed.
CREATE TABLE backup_sets (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	epoch        INTEGER NOT NULL
) STRICT;
CREATE TABLE backup_codes (
	account_uuid TEXT NOT NULL REFERENCES backup_sets(account_uuid) ON DELETE CASCADE,
	hash         BLOB NOT NULL,
	PRIMARY KEY (account_uuid, hash)
) STRICT, WITHOUT ROWID;
