package application_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// Promise application-rotate.
func TestTheRealmsKeyBeforeIsGoodForAsLongAsIsSaid(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	before := i.self()
	works := func(s *client.Session, what string) {
		t.Helper()
		_, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
		r.wants(what, err, "")
	}
	rotate := func(days uint32) *v1.ApplicationsView {
		t.Helper()
		v, err := r.Admin.RotateApplicationKey(t.Context(), &v1.RotateApplicationKeyRequest{KeepDays: days})
		r.Must(nil, err)
		return v
	}
	old := func() int { return r.send(r.sealed(r.craft(before, message.Code), message.CodeBody{Code: "x"})) }
	v := rotate(30)
	works(s, "with the key before")
	r.later(30*24*time.Hour - time.Second)
	if status := old(); status != http.StatusOK {
		t.Errorf("in the last second: status %d", status)
	}
	r.later(time.Second)
	if status := old(); status != http.StatusBadRequest {
		t.Errorf("after its time: status %d", status)
	}

	// With the new key the same instance goes on.
	r.Must(nil, os.WriteFile(filepath.Join(i.Folder, client.RealmKey), []byte(v.GetPublicKey()), 0o600))
	s, err := i.Open("alice", []byte(passphrase))
	r.Must(nil, err)
	works(s, "with the new key")

	r.Must(nil, os.WriteFile(filepath.Join(r.shipped, client.RealmKey), []byte(v.GetPublicKey()), 0o600))
	if status := old(); status != http.StatusOK {
		t.Errorf("by hand, with the new key: status %d", status)
	}
	if v = rotate(0); v.GetPreviousUntil() != nil {
		t.Errorf("kept until %v", v.GetPreviousUntil().AsTime())
	}
	if status := old(); status != http.StatusBadRequest {
		t.Errorf("a key that was stolen: status %d", status)
	}
}
