-- Words that administrators give machines, sorted and with a space between, and those that
-- a join token gives to each machine that joins by it.
ALTER TABLE machines ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE join_tokens ADD COLUMN tags TEXT NOT NULL DEFAULT '';
