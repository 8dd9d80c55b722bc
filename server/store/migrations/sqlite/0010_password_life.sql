-- When a password was set, and whether its owner must set another one. A password from
-- before counts from the day of the upgrade: nobody's expires by the upgrade itself.
ALTER TABLE passwords ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE passwords ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0;
UPDATE passwords SET made = unixepoch();
-- In days; 0: passwords do not expire.
ALTER TABLE realm ADD COLUMN password_max_age INTEGER NOT NULL DEFAULT 0;
