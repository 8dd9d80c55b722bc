package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-auth/sallyport/identity"
)

// tables are all of them, in an order in which no row is before one that it refers to.
// restarts names the column that counts by itself.
var tables = []struct{ name, restarts string }{ //nolint:gochecknoglobals // a constant
	{"realm", ""},
	{"posix_ids", ""},
	{"names", ""},
	{"accounts", ""},
	{"groups", ""},
	{"group_accounts", ""},
	{"group_groups", ""},
	{"ssh_keys", ""},
	{"passwords", ""},
	{"old_passwords", ""},
	{"totps", ""},
	{"cards", ""},
	{"backup_sets", ""},
	{"backup_codes", ""},
	{"points", ""},
	{"attestation_cas", "seq"},
	{"machines", ""},
	{"machine_admits", ""},
	{"machine_host_keys", ""},
	{"join_tokens", ""},
	{"machine_hosts", ""},
	{"request_rules", ""},
	{"requests", ""},
	{"request_parties", ""},
	{"request_needs", ""},
	{"identity_service", ""},
	{"identity_records", ""},
	{"identity_codes", ""},
	{"identity_tokens", ""},
	{"identity_wallets", ""},
	{"identity_nonces", ""},
	{"application_service", ""},
	{"applications", ""},
	{"application_hellos", ""},
	{"application_instances", ""},
	{"application_requests", ""},
	{"application_invitations", ""},
	{"application_registrations", ""},
	{"application_person_keys", ""},
	{"application_jobs", ""},
	{"application_grants", ""},
	{"application_values", ""},
	{"verify_keys", ""},
	{"partner_told", ""},
	{"partners", ""},
	{"partner_alarms", ""},
	{"partner_people", ""},
	{"verify_held", ""},
	{"verify_heard", ""},
	{"failures", ""},
	{"places", ""},
	{"console_places", ""},
	{"signing_keys", "seq"},
	{"authority", ""},
	{"ssh_authorities", "seq"},
	{"key_list", ""},
	{"servers", ""},
	{"readers", ""},
	{"reader_codes", ""},
	{"used_steps", ""},
	{"unreported", ""},
	{"changes", ""},
	{"histories", "seq"},
	{"lost_histories", ""},
	{"reserved_ids", ""},
	{"audit", ""},
	{"audit_base", ""},
}

// ErrOccupied says that a database holds something already.
var ErrOccupied = errors.New("the database holds something already, and is left as it is: give one that is empty")

// Move copies a realm, at one moment, into an empty PostgreSQL database: all of it or
// nothing. Where an earlier Move has copied this very state, that is enough. told hears of
// each table. Whoever opens the copy begins a history by its first change.
func Move(ctx context.Context, from *Store, to, owner string, told func(table string, rows int64)) error {
	e, err := openPostgres(to)
	if err != nil {
		return err
	}
	if err := errors.Join(vacant(ctx, e), e.shut()); err != nil {
		return err
	}
	if err := Migrate(ctx, owner, to); err != nil {
		return err
	}
	s, err := openAddress(ctx, to)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return from.Read(ctx, func(tx *Tx) error {
		same, err := sameState(ctx, tx, s)
		if err != nil || same {
			return err
		}
		return tx.copyTo(ctx, e.config, told)
	})
}

// vacant refuses a database with tables that are not ours.
func vacant(ctx context.Context, e *pg) error {
	var all, ours int
	err := e.db.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(*) FILTER (WHERE table_name = 'migrations') FROM information_schema.tables
		WHERE table_schema = current_schema()`).Scan(&all, &ours)
	if err == nil && all > 0 && ours == 0 {
		err = ErrOccupied
	}
	return wrap(e, err)
}

// sameState tells whether the target holds what the source does. A target that holds
// anything else is ErrOccupied.
func sameState(ctx context.Context, from *Tx, to *Store) (same bool, err error) {
	err = to.Read(ctx, func(there *Tx) error {
		if _, err := there.Realm(); err != nil {
			if errors.Is(err, identity.ErrNotFound) {
				return nil
			}
			return err
		}
		for _, t := range tables {
			var a, b int64
			count := `SELECT COUNT(*) FROM ` + t.name
			if err := errors.Join(from.get([]any{&a}, count), there.get([]any{&b}, count)); err != nil {
				return err
			}
			if a != b {
				return ErrOccupied
			}
		}
		now, err1 := from.state()
		then, err2 := there.state()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if now != then {
			return ErrOccupied
		}
		same = true
		return nil
	})
	return same, err
}

// state is a text that every write to the realm changes: of accounts the revision, of
// everything else that is written down the end of the audit log.
func (t *Tx) state() (string, error) {
	var name, history, revision, news, audit string
	err := t.get([]any{&name, &history, &revision, &news, &audit}, `SELECT name, (SELECT id FROM histories ORDER BY seq DESC LIMIT 1),
		CAST(revision AS TEXT), CAST(news AS TEXT), COALESCE((SELECT CAST(MAX(id) AS TEXT) FROM audit), '') FROM realm`)
	return strings.Join([]string{name, history, revision, news, audit}, "/"), err
}

// copyTo copies every table in one transaction of its own.
func (t *Tx) copyTo(ctx context.Context, config *pgx.ConnConfig, told func(string, int64)) error {
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	into, err := c.Begin(ctx)
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	defer func() { _ = into.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := into.Exec(ctx, `DELETE FROM audit_base`); err != nil { // the migration made its first row
		return fmt.Errorf("move: %w", err)
	}
	for _, table := range tables {
		n, err := t.copyTable(ctx, into, table.name)
		if err != nil {
			return fmt.Errorf("move %s: %w", table.name, err)
		}
		if table.restarts != "" {
			next := fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%[1]s', '%[2]s'), COALESCE(MAX(%[2]s), 0) + 1, false) FROM %[1]s`, table.name, table.restarts)
			if _, err := into.Exec(ctx, next); err != nil {
				return fmt.Errorf("move %s: %w", table.name, err)
			}
		}
		told(table.name, n)
	}
	if err := into.Commit(ctx); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	return nil
}

func (t *Tx) copyTable(ctx context.Context, into pgx.Tx, table string) (int64, error) {
	rows, err := t.tx.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return 0, t.wrap(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return 0, t.wrap(err)
	}
	n, err := into.CopyFrom(ctx, pgx.Identifier{table}, columns, &rowsToCopy{rows: rows, values: make([]any, len(columns))})
	if err := errors.Join(err, rows.Err()); err != nil {
		return 0, fmt.Errorf("copy: %w", err)
	}
	return n, nil
}

// rowsToCopy are rows of database/sql as pgx takes them.
type rowsToCopy struct {
	rows   *sql.Rows
	values []any
}

func (r *rowsToCopy) Next() bool { return r.rows.Next() }
func (r *rowsToCopy) Err() error { return r.rows.Err() }

func (r *rowsToCopy) Values() ([]any, error) {
	into := make([]any, len(r.values))
	for i := range r.values {
		into[i] = &r.values[i]
	}
	if err := r.rows.Scan(into...); err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return r.values, nil
}

// Tables names all of them.
func Tables() (names []string) {
	for _, t := range tables {
		names = append(names, t.name)
	}
	return names
}
