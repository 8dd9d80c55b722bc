-- When the locks of an account were last lifted by an administrator, in milliseconds, and
-- later each time. A server that only reads counts wrong answers by itself: there it is the
-- last such moment that was heard of.
ALTER TABLE names ADD COLUMN unlocked INTEGER NOT NULL DEFAULT 0;
