-- The columns of the SQLite migration 0027, whose comments say what they are for.
ALTER TABLE realm ADD COLUMN opaque_passwords BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN opaque_sealed BYTEA;
