package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise console-partners.
func TestSomebodyOfAPartnerIsVerifiedWhileTheTrustHolds(t *testing.T) {
	r := newRig(t)
	private, err := verify.NewKey()
	r.Must(nil, err)
	public, err := verify.Public(private)
	r.Must(nil, err)
	eve := identity.PartnerPerson{ID: uuid.New(), Name: "eve", FullName: "Eve Jones", Public: public, Made: r.Unix.Load(), ValidUntil: identity.Never, ServerHeld: true}
	p := store.Partner{ID: uuid.New(), Realm: "b.example", URLs: []string{"https://id.b.example"}, Root: make([]byte, 32), Bundle: []byte{1}, Version: 1, Added: r.Now(), Organisation: "Bravo Ltd."}
	to := p
	to.History, to.Reached = uuid.New(), r.Now()
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error {
		r.Must(nil, tx.AddPartner(p))
		r.Must(nil, tx.MovePartner(p, to))
		return tx.SetPartnerPeople(p.ID, []identity.PartnerPerson{eve}, nil, 1)
	}))
	b := r.browser("192.0.2.1")
	b.signsIn()
	b.submit("key", "do", "make")
	b.submit("find", "name", "eve@b.example")
	b.shows(http.StatusBadRequest, "cannot see you")
	b.get(path)
	b.submit("key", "do", "make", "partners", "yes")
	b.shows(http.StatusOK, "may verify you")
	b.submit("find", "name", "eve@b.example")
	b.shows(http.StatusOK, "Eve Jones", "eve@b.example", "Bravo Ltd.", "id.b.example", "The server of b.example holds this person's key")
	call, err := verify.Begin(private, verify.Party{Realm: "b.example", ID: eve.ID, Public: public}, r.party("alice"), "")
	r.Must(nil, err)
	say, _ := call.Say(r.Now())
	b.submit("heard", "code", say)
	b.shows(http.StatusOK, "<b>Confirmed</b>")
	form := b.form("heard", "code", say)
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.RemovePartner("b.example") }))
	b.post("heard", form)
	b.shows(http.StatusNotFound, "is no partner of example.org")
	if got := strings.Join(r.rows("verify."), "\n"); !strings.Contains(got, "server-held partners=true") || !strings.HasSuffix(got, "console verify.confirm alice with=eve@b.example") {
		t.Errorf("audit:\n%s", got)
	}
}
