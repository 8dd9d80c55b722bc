-- The term of the database grows where another copy of it begins to be written: a standby
-- that was promoted, a backup that was restored. Machines take nothing from a copy of a
-- lower term than they have seen. 0: it was never counted.
ALTER TABLE realm ADD COLUMN term INTEGER NOT NULL DEFAULT 0;

-- The instance of a machine's daemon that was last seen, and those before it, the newest
-- last and with a space between: by them two that live under one name are told from one
-- that started anew, whichever servers they speak to.
ALTER TABLE machines ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN instances_before TEXT NOT NULL DEFAULT '';
