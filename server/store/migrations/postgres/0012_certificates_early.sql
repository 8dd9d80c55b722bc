-- The column of the SQLite migration 0022, whose comments say what it is for.
ALTER TABLE realm ADD COLUMN certificates_early BIGINT NOT NULL DEFAULT 1;
