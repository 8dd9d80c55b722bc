-- The columns of the SQLite migration 0015, whose comments say what they are for.
ALTER TABLE machines ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE join_tokens ADD COLUMN tags TEXT NOT NULL DEFAULT '';
