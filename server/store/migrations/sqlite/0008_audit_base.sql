-- Where the audit log begins since it was pruned: its first row follows this one.
CREATE TABLE audit_base (
	one       INTEGER PRIMARY KEY CHECK (one = 1),
	pruned_to INTEGER NOT NULL,
	hash      BLOB    NOT NULL
) STRICT;
INSERT INTO audit_base (one, pruned_to, hash) VALUES (1, 0, x'');
CREATE TRIGGER audit_base_grows BEFORE UPDATE ON audit_base WHEN new.pruned_to < old.pruned_to
BEGIN SELECT RAISE(ABORT, 'the audit log does not grow at its beginning'); END;
DROP TRIGGER audit_no_delete;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN old.id > (SELECT pruned_to FROM audit_base)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
