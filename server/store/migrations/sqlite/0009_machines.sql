-- Where a machine was last seen; whether two live under its name; whether it is shut
-- out; and whose people it may know.
ALTER TABLE machines ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN seen_host TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN duplicated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
-- scoped: it knows the members of the groups of machine_admits alone, be there any or
-- none. scoped_at: the revision from which on that holds; a stream from before it is
-- begun anew.
ALTER TABLE machines ADD COLUMN scoped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN scoped_at INTEGER NOT NULL DEFAULT 0;
CREATE TABLE machine_admits (
	machine_uuid TEXT NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	group_uuid   TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	PRIMARY KEY (machine_uuid, group_uuid)
) STRICT;
