-- By how many minutes an ssh certificate begins before it was made, for machines whose clock is
-- slow.
ALTER TABLE realm ADD COLUMN certificates_early INTEGER NOT NULL DEFAULT 1;
