-- The column of the SQLite migration 0024, whose comments say what it is for.
ALTER TABLE ssh_authorities ADD COLUMN agent BIGINT NOT NULL DEFAULT 0;
