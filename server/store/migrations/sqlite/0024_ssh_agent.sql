-- Whether the private half of a key of ssh certificates is kept by an ssh-agent beside each
-- server, and not in the database: sealed is NULL then. public_key is 32 bytes of an Ed25519
-- key, or a key of another kind in ssh's wire form.
ALTER TABLE ssh_authorities ADD COLUMN agent INTEGER NOT NULL DEFAULT 0;
