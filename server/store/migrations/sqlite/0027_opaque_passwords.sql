-- Whether new passwords are registered by OPAQUE, and the realm's keys for that, encrypted.
-- Such a password's phc begins with $opaque$.
ALTER TABLE realm ADD COLUMN opaque_passwords INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN opaque_sealed BLOB;
