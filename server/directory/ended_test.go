package directory

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise hop-ended.
func TestMachinesHearOfGrantsThatWereEndedEarly(t *testing.T) {
	s := newServed(t)
	s.joined("there", formsOfToday)
	s.joined("later", formsOfToday)
	there := s.watch("there", nil).caughtUp()
	alice := s.alice()
	id := uuid.New()
	request := store.Request{
		ID: id, Kind: "ssh", State: store.RequestGranted, Account: alice, Machine: s.Box.UUID,
		Asked: s.Now(), Changed: s.Now(), Until: s.Now().Add(time.Hour), Detail: []byte("{}"), Ask: []byte("{}"),
	}
	s.Must(nil, s.Write(t.Context(), func(tx *store.Tx) error { return tx.AddRequest(request) }))
	request.State, request.Early = store.RequestEnded, true
	s.Must(nil, s.Write(t.Context(), func(tx *store.Tx) error { return tx.SetRequest(request) }))
	hears := func(what string, w *stream) {
		t.Helper()
		for w.Receive() {
			if e := w.Msg().GetEnded(); e != nil {
				if len(e.GetRequests()) != 1 || uuid.UUID(e.GetRequests()[0]) != id {
					t.Errorf("%s hears of %x", what, e.GetRequests())
				}
				return
			}
		}
		t.Errorf("%s hears nothing: %v", what, w.Err())
	}
	hears("who is there", there)
	hears("who comes later", s.watch("later", nil))
}

func (s *served) alice() (id uuid.UUID) {
	s.T.Helper()
	s.Must(nil, s.Store.Read(s.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		id = a.UUID
		return err
	}))
	return id
}
