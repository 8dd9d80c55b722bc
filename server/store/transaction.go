package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Of what a login costs, most is waiting for the database to answer, while it has the turn of
// all writers of the realm. So a statement whose answer nobody needs waits, and is sent with
// the next that somebody does, or with the commit: see [Tx.later]. To whoever uses a Tx
// nothing is different: what is read sees what was written before, and what fails undoes
// everything.

// transaction is one that has begun, of either database.
type transaction interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// run runs statements one after the other, up to the first that fails.
	run(ctx context.Context, list []statement) error
	// commit is run, and then ends the transaction well. Nothing has happened where it fails,
	// but for a connection that dies meanwhile.
	commit(ctx context.Context, list []statement) error
	// Rollback undoes it, and does nothing after its end.
	Rollback() error
}

// statement is one as the driver wants it.
type statement struct {
	query string
	args  []any
}

// ours is what a transaction knows of the realm that nobody else can change before it ends:
// writers are alone.
type ours struct {
	alone   bool
	waiting []statement
	revised bool       // it has made a revision
	clock   *time.Time // the latest time that was remembered, nil: not read
	head    *AuditHead // of the audit log, nil: not read
}

// later runs one statement before the next, or with the commit: its error comes then.
func (t *Tx) later(query string, args ...any) error {
	if !t.ours.alone {
		return errOneQuery
	}
	t.ours.waiting = append(t.ours.waiting, statement{t.engine.native(query), plain(args)})
	return nil
}

// catchUp runs what waits.
func (t *Tx) catchUp() error {
	if len(t.ours.waiting) == 0 {
		return nil
	}
	list := t.ours.waiting
	t.ours.waiting = nil
	return t.wrap(t.tx.run(t.ctx, list))
}

// Revised tells whether this transaction has given an account, or the realm, a new revision:
// what it has read of an account before that may be out of date.
func (t *Tx) Revised() bool { return t.ours.revised }

// errOneQuery is a mistake of the program.
var errOneQuery = errors.New("no transaction that writes")

// Once runs f, which asks one query and no more: that sees one moment by itself, and costs no
// beginning and no end. A second one is refused.
func (s *Store) Once(ctx context.Context, f func(*Tx) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return f(&Tx{ctx: ctx, engine: s.engine, tx: &single{engine: s.engine, cancel: cancel}})
}

// single is the transaction of Once: none.
type single struct {
	engine engine
	cancel func()
	asked  bool
}

func (o *single) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if o.asked {
		return nil, errOneQuery
	}
	o.asked = true
	if p := o.engine.patience(); p > 0 {
		late := time.AfterFunc(p, o.cancel)
		defer late.Stop()
	}
	rows, err := o.engine.ask(ctx, query, args...) //nolint:sqlclosecheck // by whoever reads them
	if err != nil && ctx.Err() != nil {
		err = errors.Join(ErrBusyDatabase, err)
	}
	return rows, err
}

// anew throws away what was read in [Store.Once]: the next query may be asked, and its moment
// is the one that counts.
func (t *Tx) anew() {
	if o, ok := t.tx.(*single); ok {
		o.asked = false
	}
}

func (*single) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errOneQuery
}
func (*single) run(context.Context, []statement) error    { return errOneQuery }
func (*single) commit(context.Context, []statement) error { return errOneQuery }
func (*single) Rollback() error                           { return errOneQuery }

// sqliteTx is a transaction of a file.
type sqliteTx struct{ *sql.Tx }

func (t sqliteTx) run(ctx context.Context, list []statement) error {
	for _, s := range list {
		if _, err := t.ExecContext(ctx, s.query, s.args...); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	return nil
}

func (t sqliteTx) commit(ctx context.Context, list []statement) error {
	if err := t.run(ctx, list); err != nil {
		return err
	}
	return t.Commit()
}
