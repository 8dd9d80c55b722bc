-- The columns of the SQLite migration 0014, whose comments say what they are for.
ALTER TABLE realm ADD COLUMN term BIGINT NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN instances_before TEXT NOT NULL DEFAULT '';
