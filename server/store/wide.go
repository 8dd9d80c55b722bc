package store

import (
	"database/sql"
	"strings"

	"github.com/google/uuid"
)

// What belongs to a person lies in a dozen tables. It is read by one statement of both
// databases: a UNION ALL of parts, each of which has rows of one kind in the same columns. So
// it is all of one moment, and costs one answer.

// part is one kind of row.
type part struct {
	what               string
	texts, bytes, ints []string // expressions; columns that are not named are NULL
	from               string   // and what follows it
	args               []any    // of from and the expressions, in their order
	read               func(*wideRow) error
}

// How many columns there are of each type.
const wideTexts, wideBytes, wideInts = 6, 3, 6

// wideRow is one row of any part.
type wideRow struct {
	what string
	text [wideTexts]sql.NullString
	byte [wideBytes][]byte
	int  [wideInts]sql.NullInt64
}

func (r *wideRow) str(i int) string { return r.text[i].String }
func (r *wideRow) num(i int) int64  { return r.int[i].Int64 }

// big is a revision or an epoch.
func (r *wideRow) big(i int) uint64 { return uint64(r.int[i].Int64) } //nolint:gosec // the same bits

// small is an id or a few points.
func (r *wideRow) small(i int) uint32  { return uint32(r.int[i].Int64) } //nolint:gosec // as it was stored
func (r *wideRow) points(i int) uint16 { return uint16(r.int[i].Int64) } //nolint:gosec // likewise
func (r *wideRow) is(i int) bool       { return r.int[i].Int64 != 0 }

// id is a uuid, uuid.Nil where there is none.
func (r *wideRow) id(i int) (uuid.UUID, error) {
	if !r.text[i].Valid {
		return uuid.Nil, nil
	}
	return uuid.Parse(r.text[i].String) //nolint:wrapcheck // by each
}

// columns are the expressions of a part. Those of the first tell PostgreSQL the types, which
// SQLite does not know: so nothing but NULL is cast.
func (p *part) columns(first bool) string {
	var b strings.Builder
	b.WriteString(`SELECT '` + p.what + `' AS what`)
	put := func(list []string, width int, kind string) {
		for i := range width {
			expression := `NULL`
			switch {
			case i < len(list):
				expression = list[i]
			case first:
				expression = `CAST(NULL AS ` + kind + `)`
			}
			b.WriteString(`, ` + expression)
		}
	}
	put(p.texts, wideTexts, `TEXT`)
	put(p.bytes, wideBytes, `BYTEA`)
	put(p.ints, wideInts, `BIGINT`)
	return b.String()
}

// wide reads all parts. with is what stands before them, and args are its own.
func (t *Tx) wide(with string, args []any, parts ...part) error {
	var b strings.Builder
	b.WriteString(with)
	by := make(map[string]func(*wideRow) error, len(parts))
	for i, p := range parts {
		if i > 0 {
			b.WriteString(` UNION ALL `)
		}
		b.WriteString(p.columns(i == 0) + ` FROM ` + p.from)
		args = append(args, p.args...)
		by[p.what] = p.read
	}
	var r wideRow
	into := []any{&r.what}
	for i := range r.text {
		into = append(into, &r.text[i])
	}
	for i := range r.byte {
		into = append(into, &r.byte[i])
	}
	for i := range r.int {
		into = append(into, &r.int[i])
	}
	return t.each(func(row *sql.Rows) error {
		if err := row.Scan(into...); err != nil {
			return err //nolint:wrapcheck // by each
		}
		return by[r.what](&r)
	}, b.String(), args...)
}
