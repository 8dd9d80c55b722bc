package cache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations bring the schema from version i to i+1, each in one transaction.
// What is here was released and is not changed any more; append. The columns called
// provider hold the realm's name; what an older release wrote there is [Cache.Adopt]'s.
//
//nolint:gochecknoglobals // a constant table
var migrations = [...][]string{
	{
		`CREATE TABLE tokens (
			provider TEXT NOT NULL, uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
			name TEXT NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, revision INTEGER NOT NULL,
			signed BLOB NOT NULL, fetched_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE ids (
			provider TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('uid', 'gid')), id INTEGER NOT NULL,
			uuid BLOB NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID`,
		`CREATE UNIQUE INDEX ids_uuid ON ids (kind, uuid)`,
		`CREATE TABLE verifiers (
			uuid BLOB NOT NULL, kind TEXT NOT NULL, epoch INTEGER NOT NULL, salt BLOB NOT NULL,
			memory INTEGER NOT NULL, time INTEGER NOT NULL, threads INTEGER NOT NULL,
			mac BLOB NOT NULL, made_at INTEGER NOT NULL, PRIMARY KEY (uuid, kind)) STRICT`,
		`CREATE TABLE failures (
			uuid BLOB NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
			locked_until INTEGER NOT NULL, PRIMARY KEY (uuid, kind)) STRICT, WITHOUT ROWID`,
		`CREATE TABLE contact (
			provider TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL, complete INTEGER NOT NULL,
			at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE clock (
			one INTEGER PRIMARY KEY CHECK (one = 1), high_water INTEGER NOT NULL, boot INTEGER NOT NULL) STRICT`,
		`CREATE TABLE notes (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID`,
	},
	{
		`CREATE TABLE subids (
			provider TEXT NOT NULL, uuid BLOB NOT NULL CHECK (length(uuid) = 16),
			start INTEGER NOT NULL PRIMARY KEY, UNIQUE (provider, uuid)) STRICT, WITHOUT ROWID`,
	},
	{
		`CREATE TABLE sealed (
			uuid BLOB NOT NULL, kind TEXT NOT NULL, epoch INTEGER NOT NULL, blob BLOB NOT NULL,
			PRIMARY KEY (uuid, kind)) STRICT`,
		`CREATE TABLE steps (
			uuid BLOB NOT NULL, kind TEXT NOT NULL, epoch INTEGER NOT NULL, step INTEGER NOT NULL,
			PRIMARY KEY (uuid, kind)) STRICT, WITHOUT ROWID`,
	},
	{
		`CREATE TABLE groups (
			provider TEXT NOT NULL, uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
			signed BLOB NOT NULL, fetched_at INTEGER NOT NULL, asked_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
	},
	{
		// What was counted before was nobody's in particular: from here on it is an
		// unknown origin's.
		`CREATE TABLE failures_by_origin (
			uuid BLOB NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
			locked_until INTEGER NOT NULL, PRIMARY KEY (uuid, kind, origin)) STRICT, WITHOUT ROWID`,
		`INSERT INTO failures_by_origin SELECT uuid, kind, 'unknown', count, last, locked_until FROM failures`,
		`DROP TABLE failures`,
		`ALTER TABLE failures_by_origin RENAME TO failures`,
		`CREATE TABLE places (
			uuid BLOB NOT NULL, origin TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (uuid, origin)) STRICT, WITHOUT ROWID`,
	},
	{
		// Which key of the machine made it is not known of what is there: x''.
		`ALTER TABLE verifiers ADD COLUMN seal_key BLOB NOT NULL DEFAULT x''`,
		`ALTER TABLE sealed ADD COLUMN seal_key BLOB NOT NULL DEFAULT x''`,
	},
	{
		// Which history the position is of, when the server was last seen to have lost
		// changes, and whether what is stored here is of such ones.
		`ALTER TABLE contact ADD COLUMN history BLOB NOT NULL DEFAULT x'00000000000000000000000000000000'`,
		`ALTER TABLE contact ADD COLUMN disowned INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE contact ADD COLUMN lost_at INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE contact ADD COLUMN lost_why TEXT NOT NULL DEFAULT ''`,
		`CREATE INDEX tokens_by_revision ON tokens (provider, revision)`,
	},
	{
		`CREATE TABLE refused (
			provider TEXT NOT NULL, uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
			name TEXT NOT NULL, reason TEXT NOT NULL, signed BLOB NOT NULL) STRICT, WITHOUT ROWID`,
	},
	{
		`CREATE TABLE verify_keys (
			uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16), public BLOB NOT NULL, sealed BLOB NOT NULL,
			made INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE verify_contacts (
			uuid BLOB NOT NULL, id BLOB NOT NULL CHECK (length(id) = 16), name TEXT NOT NULL, full_name TEXT NOT NULL,
			public BLOB NOT NULL, made INTEGER NOT NULL, fetched INTEGER NOT NULL, confirmed BLOB NOT NULL,
			confirmed_at INTEGER NOT NULL, heard INTEGER NOT NULL, wrong INTEGER NOT NULL, wrong_last INTEGER NOT NULL,
			locked_until INTEGER NOT NULL, PRIMARY KEY (uuid, id)) STRICT, WITHOUT ROWID`,
	},
	{
		// People of other realms: another realm may give somebody the id of one of ours. Who is
		// there already is of the account's own realm, which is ''.
		`CREATE TABLE verify_people (
			uuid BLOB NOT NULL, realm TEXT NOT NULL, id BLOB NOT NULL CHECK (length(id) = 16), name TEXT NOT NULL, full_name TEXT NOT NULL,
			organisation TEXT NOT NULL, domain TEXT NOT NULL, told INTEGER NOT NULL, server_held INTEGER NOT NULL, own_server_held INTEGER NOT NULL,
			looks_like TEXT NOT NULL, public BLOB NOT NULL, made INTEGER NOT NULL, fetched INTEGER NOT NULL, confirmed BLOB NOT NULL,
			confirmed_at INTEGER NOT NULL, heard INTEGER NOT NULL, wrong INTEGER NOT NULL, wrong_last INTEGER NOT NULL,
			locked_until INTEGER NOT NULL, PRIMARY KEY (uuid, realm, id)) STRICT, WITHOUT ROWID`,
		`INSERT INTO verify_people SELECT uuid, '', id, name, full_name, '', '', 0, 0, 0, '', public, made, fetched, confirmed, confirmed_at,
			heard, wrong, wrong_last, locked_until FROM verify_contacts`,
		`DROP TABLE verify_contacts`,
		`ALTER TABLE verify_people RENAME TO verify_contacts`,
		`ALTER TABLE verify_keys ADD COLUMN partners INTEGER NOT NULL DEFAULT 0`,
		// What the audit log of the account's realm (provider) is to be told once a server of
		// it answers.
		`CREATE TABLE verify_notes (
			seq INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, uuid BLOB NOT NULL CHECK (length(uuid) = 16), realm TEXT NOT NULL,
			id BLOB NOT NULL CHECK (length(id) = 16), event INTEGER NOT NULL, made INTEGER NOT NULL) STRICT`,
	},
}

// execer is one database connection.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// errVersion says that a newer program made the database.
var errVersion = errors.New("unknown schema version")

// migrate applies what is missing. When it fails, the schema is that of the last
// migration that was committed.
func migrate(ctx context.Context, c execer) error {
	var version int
	if err := c.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if version < 0 || version > len(migrations) {
		return fmt.Errorf("%w %d, this program knows up to %d", errVersion, version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := step(ctx, c, version); err != nil {
			return fmt.Errorf("migrate to version %d: %w", version+1, err)
		}
	}
	return nil
}

func step(ctx context.Context, c execer, from int) error {
	statements := append([]string{`BEGIN IMMEDIATE`}, migrations[from]...)
	statements = append(statements, fmt.Sprintf(`PRAGMA user_version = %d`, from+1), `COMMIT`)
	for _, s := range statements {
		if _, err := c.ExecContext(ctx, s); err != nil {
			// Not with ctx: what ended the migration may be its deadline.
			_, rerr := c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			if s == statements[0] {
				rerr = nil // nothing was begun
			}
			return errors.Join(err, rerr)
		}
	}
	return nil
}
