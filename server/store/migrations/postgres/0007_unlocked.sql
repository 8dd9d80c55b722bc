-- The column of the SQLite migration 0017, whose comments say what it is for.
ALTER TABLE names ADD COLUMN unlocked BIGINT NOT NULL DEFAULT 0;
