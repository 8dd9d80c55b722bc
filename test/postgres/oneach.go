package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "github.com/mattn/go-sqlite3"    // the driver "sqlite3"
)

// OnEach runs the tests of a package twice: on SQLite, and, after use was told of one, on
// PostgreSQL. It is called by TestMain, and returns the exit code.
func OnEach(m *testing.M, use func(*Server)) int {
	code := m.Run()
	s, err := Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(s)
	fmt.Println("the same on PostgreSQL")
	code = max(code, m.Run())
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Realm is the address of an empty database for a realm; "" where s is nil, so that it is a
// file in the realm's folder.
func (s *Server) Realm(t testing.TB) string {
	t.Helper()
	if s == nil {
		return ""
	}
	address, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Raw opens the database that a realm is in behind its server's back: an address, or where
// that is empty a file of SQLite. Both take $1 for a parameter.
func Raw(t testing.TB, address, file string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if address == "" {
		driver, address = "sqlite3", file
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
