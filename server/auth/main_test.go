package auth

import (
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/test/postgres"
)

// shared is PostgreSQL while the tests are run on it; nil: they are run on SQLite.
var shared *postgres.Server

// Every test is run on each database.
func TestMain(m *testing.M) {
	os.Exit(postgres.OnEach(m, func(s *postgres.Server) { shared = s }))
}
