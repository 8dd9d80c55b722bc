-- The columns of the SQLite migration 0021, whose comments say what they are for.
ALTER TABLE realm ADD COLUMN stored_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE realm ADD COLUMN stored_keys_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN stored_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN stored_keys_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN request_wait BIGINT NOT NULL DEFAULT 3600;
