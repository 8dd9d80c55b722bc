-- Failures are counted for each factor: whoever guesses at a password locks
-- passwords, and nobody out who has a card. What was counted before was nearly all
-- passwords.
CREATE TABLE failures_by_factor (
	name         TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	count        INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	last         INTEGER NOT NULL,
	PRIMARY KEY (name, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO failures_by_factor SELECT name, 'password', count, locked_until, last FROM failures;
DROP TABLE failures;
ALTER TABLE failures_by_factor RENAME TO failures;
CREATE INDEX failures_by_age ON failures(last);
