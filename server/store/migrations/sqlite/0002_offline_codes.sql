-- What secrets for a machine are sealed to, and whether one-time codes may be
-- checked offline: the machine and a group of the person must both say so.
ALTER TABLE machines ADD COLUMN sealing_key BLOB;
ALTER TABLE machines ADD COLUMN offline_codes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN offline_codes INTEGER NOT NULL DEFAULT 0;
