package cache

import (
	"path/filepath"
	"strings"
	"testing"
)

// Sorting anew for each page made a start with 100,000 accounts take minutes.
func TestAPageOfTokensIsReadWithoutSorting(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	rows, err := c.db.QueryContext(bg, "EXPLAIN QUERY PLAN "+tokenPage, "realm", []byte{}, pageSize)
	must(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		must(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	must(t, rows.Err())
	if got := strings.Join(plan, "; "); got != "SEARCH tokens USING PRIMARY KEY (uuid>?)" {
		t.Errorf("SQLite's plan: %s", got)
	}
}
