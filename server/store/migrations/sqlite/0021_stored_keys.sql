-- What machines accept for a login by ssh, "accept" or "refuse";
-- '': in the realm, keys and certificates; in a machine, what the realm says. And the
-- revision at which it was said last.
ALTER TABLE realm ADD COLUMN stored_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE realm ADD COLUMN stored_keys_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN stored_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE machines ADD COLUMN stored_keys_at INTEGER NOT NULL DEFAULT 0;

-- For how many seconds a request waits for approvals.
ALTER TABLE realm ADD COLUMN request_wait INTEGER NOT NULL DEFAULT 3600;
