-- The keys that ssh certificates are signed with, for people ('users') and for machines
-- ('hosts'), the newest last. sealed is the private half, encrypted with seal.key; NULL: it
-- signs nothing any more.
CREATE TABLE ssh_authorities (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	use        TEXT    NOT NULL,
	public_key BLOB    NOT NULL UNIQUE,
	sealed     BLOB,
	made       INTEGER NOT NULL
) STRICT;
