package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise verify-realms.
func TestWhoWasRememberedBeforeThereWereOtherRealmsIsOfOnesOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path)
	account, id := uuid.New(), uuid.New()
	for _, q := range []string{
		"DROP TABLE verify_contacts", "DROP TABLE verify_keys", "DROP TABLE verify_notes", migrations[8][0], migrations[8][1],
		fmt.Sprintf(`INSERT INTO verify_contacts VALUES (x'%s', x'%s', 'bob', 'Bob Smith', x'01', 1, 2, x'03', 4, 5, 6, 7, 8)`, hex.EncodeToString(account[:]), hex.EncodeToString(id[:])),
		fmt.Sprintf(`INSERT INTO verify_keys VALUES (x'%s', x'01', x'02', 3)`, hex.EncodeToString(account[:])),
		"PRAGMA user_version = 9",
	} { // as version 9 left it
		_, err := c.db.ExecContext(bg, q)
		must(t, err)
	}
	must(t, c.Close())
	c = openAt(t, path)
	defer c.Close()
	all, err := c.VerifyContacts(bg, account)
	must(t, err)
	if c.Rebuilt() != "" || len(all) != 1 {
		t.Fatalf("rebuilt %q, %+v", c.Rebuilt(), all)
	}
	v := all[0]
	if v.Realm != "" || v.ID != id || v.Name != "bob" || v.FullName != "Bob Smith" || v.Public[0] != 1 || v.Made.Unix() != 1 || v.Fetched.Unix() != 2 ||
		v.Confirmed[0] != 3 || v.ConfirmedAt.Unix() != 4 || v.Heard != 5 || v.Wrong.Count != 6 || v.Wrong.Since.Unix() != 7 || v.Wrong.LockedUntil.Unix() != 8 ||
		v.ServerHeld || v.OwnServerHeld || !v.Told.IsZero() || v.LooksLike != nil {
		t.Errorf("%+v", v)
	}
	if k, err := c.VerifyKey(bg, account); err != nil || k.Partners || k.Sealed[0] != 2 {
		t.Errorf("%+v, %v", k, err)
	}

	// One of another realm with the same id is another.
	other := VerifyContact{Realm: "b.example", ID: id, Name: "eve", Organisation: "B Ltd", Domain: "id.b.example", Public: []byte{9}, Told: time.Unix(9, 0), ServerHeld: true, LooksLike: []string{"a", "b"}}
	must(t, c.PutVerifyContact(bg, account, other))
	all, err = c.VerifyContacts(bg, account)
	must(t, err)
	if len(all) != 2 || fmt.Sprint(all[0]) != fmt.Sprint(v) {
		t.Fatalf("%+v", all)
	}
	if o := all[1]; !o.Same(other) || o.Organisation != "B Ltd" || o.Domain != "id.b.example" || o.Told.Unix() != 9 || !o.ServerHeld || o.OwnServerHeld || fmt.Sprint(o.LooksLike) != "[a b]" {
		t.Errorf("%+v", o)
	}
}

// Promise verify-noted.
func TestNotesAreBoundedAndNobodyPushesOutAnothers(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	defer c.Close()
	ada, eve := uuid.New(), uuid.New()
	add := func(account uuid.UUID, event int) (dropped bool) {
		t.Helper()
		dropped, err := c.AddVerifyNote(bg, "p", VerifyNote{Account: account, ID: uuid.New(), Event: event, Made: time.Unix(int64(event), 0)}, 4)
		must(t, err)
		return dropped
	}
	_, err := c.AddVerifyNote(bg, "another realm", VerifyNote{Account: ada, Event: 7}, 4)
	must(t, err)
	add(ada, 1)
	for i := range 9 {
		if dropped := add(eve, 10+i); dropped != (i > 2) {
			t.Errorf("note %d: %v", i, dropped)
		}
	}
	var events []int
	for {
		n, err := c.NextVerifyNote(bg, "p")
		if errors.Is(err, identity.ErrNotFound) {
			break
		}
		must(t, err)
		events = append(events, n.Event)
		must(t, c.DeleteVerifyNote(bg, n.Seq))
	}
	if fmt.Sprint(events) != "[1 16 17 18]" {
		t.Errorf("left: %v", events)
	}
	if n, err := c.NextVerifyNote(bg, "another realm"); err != nil || n.Event != 7 {
		t.Errorf("another realm's: %+v, %v", n, err)
	}
}
