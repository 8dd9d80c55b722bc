package docs_test

import (
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/trouble"
)

// The page is printed: UPDATE_TROUBLES=1 go test ./docs -run TestThePageOfTroublesIsTheTable
// Promise troubles-page.
func TestThePageOfTroublesIsTheTable(t *testing.T) {
	const page = "troubles.md"
	if os.Getenv("UPDATE_TROUBLES") != "" {
		if err := os.WriteFile(page, []byte(trouble.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != trouble.Page() {
		t.Error("troubles.md is not what the table says; print it anew, as the comment of this test has it")
	}
}
