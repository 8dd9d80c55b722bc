package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// How transactions begin on PostgreSQL, each in one message. A writer takes a lock of the
// whole realm: revisions and audit rows are then in the order of commits, whichever server
// writes them. It is let go with the transaction.
const (
	pgBeginRead  = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	pgBeginWrite = `BEGIN; SELECT pg_advisory_xact_lock(hashtext('sallyport'), hashtext(current_schema()))`
)

func (p *pg) begin(ctx context.Context, write bool) (transaction, error) {
	start := pgBeginRead
	if write {
		start = pgBeginWrite
	}
	var t *pgTx
	err := p.again(ctx, func() error {
		c, err := p.db.Conn(ctx)
		if err != nil {
			return err
		}
		t = &pgTx{conn: c}
		if _, err = c.ExecContext(ctx, start); err != nil {
			_ = t.Rollback() // whose error is of the same connection
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (p *pg) ask(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = p.again(ctx, func() (err error) {
		rows, err = p.db.QueryContext(ctx, query, args...) //nolint:sqlclosecheck,rowserrcheck // by whoever reads them
		return err
	})
	return rows, err
}

// again does what begins, or only asks, on a connection that is there. One that was kept open
// may have died with its server, and shows it only when it is used: nothing was done on it
// yet, so the next is taken, and at last a new one.
func (p *pg) again(ctx context.Context, try func() error) error {
	for n := 0; ; n++ {
		err := try()
		var said *pgconn.PgError
		if at, ends := ctx.Deadline(); err != nil && ends && time.Until(at) <= 0 {
			<-ctx.Done() // a connection knows it a moment earlier
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.As(err, &said) && said.Code == pgTooMany {
			// Somebody's ends soon, or ctx does.
			select {
			case <-ctx.Done():
			case <-time.After(pgRetry):
			}
			n = 0
			continue
		}
		if errors.As(err, &said) && !gone(said) || n >= p.conns {
			return err
		}
	}
}

// pgTx is a transaction on a connection that is its own until it ends. It is not sql.Tx, so
// that what is left to do is sent in one message with the COMMIT.
type pgTx struct {
	conn  *sql.Conn
	ended bool
}

func (t *pgTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.conn.ExecContext(ctx, query, args...)
}

func (t *pgTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(ctx, query, args...)
}

// with gives the driver's own connection. One that f leaves unfit is closed.
func (t *pgTx) with(f func(c *pgx.Conn) error) error {
	return t.conn.Raw(func(c any) error {
		own, ok := c.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("a connection of another driver: %T", c)
		}
		err := f(own.Conn())
		if own.Conn().IsClosed() {
			err = errors.Join(err, driver.ErrBadConn)
		}
		return err
	})
}

func (t *pgTx) run(ctx context.Context, list []statement) error {
	_, err := t.send(ctx, list)
	return err
}

// send sends all in one message and reads all answers; last is what the last one said.
func (t *pgTx) send(ctx context.Context, list []statement) (last pgconn.CommandTag, err error) {
	batch := &pgx.Batch{}
	for _, s := range list {
		batch.Queue(s.query, s.args...)
	}
	err = t.with(func(c *pgx.Conn) error {
		answers := c.SendBatch(ctx, batch)
		for range list {
			if last, err = answers.Exec(); err != nil {
				break
			}
		}
		if end := answers.Close(); err == nil {
			err = end
		}
		return err
	})
	return last, err
}

func (t *pgTx) commit(ctx context.Context, list []statement) error {
	if len(list) == 0 { // which needs no preparation
		err := t.with(func(c *pgx.Conn) error { return committed(c.Exec(ctx, `COMMIT`)) })
		return t.done(err)
	}
	return t.done(committed(t.send(ctx, append(list, statement{query: `COMMIT`}))))
}

// committed tells a COMMIT from one that PostgreSQL answers by undoing: of a transaction in
// which something had failed.
func committed(said pgconn.CommandTag, err error) error {
	if err == nil && said.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback
	}
	return err //nolint:wrapcheck // by within
}

// done gives the connection back after a good end.
func (t *pgTx) done(err error) error {
	if err != nil {
		return err
	}
	t.ended = true
	_ = t.conn.Close() // which gives it to the next
	return nil
}

func (t *pgTx) Rollback() error {
	if t.ended {
		return nil
	}
	t.ended = true
	// Whoever asked may be gone; the connection is to be good for the next.
	ctx, cancel := context.WithTimeout(context.Background(), pgSilence)
	defer cancel()
	err := t.with(func(c *pgx.Conn) error {
		if c.IsClosed() || c.PgConn().TxStatus() == 'I' {
			return nil
		}
		if _, err := c.Exec(ctx, `ROLLBACK`); err != nil {
			return errors.Join(err, driver.ErrBadConn)
		}
		return nil
	})
	if end := t.conn.Close(); err == nil && !errors.Is(end, sql.ErrConnDone) {
		err = end
	}
	return err
}
