package admin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise attack-person-reserved-name, reserved-names.
func TestReservedNamesAndForeignIDsAreRefused(t *testing.T) {
	b := servertest.New(t)
	b.Settings.Reserved = []string{"mine"}
	low, out, in := uint32(1001), uint32(600000000), uint32(1879148192)
	for name, id := range map[string]*uint32{"docker": nil, "root": nil, "_x": nil, "mine": nil, "eve": &low, "eva": &out} {
		_, err1 := b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: name, Uid: id})
		_, err2 := b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: name, Gid: id})
		for _, err := range []error{err1, err2} {
			if id == nil && !errors.Is(err, identity.ErrReserved) || id != nil && !errors.Is(err, identity.ErrID) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "eve", Uid: &in}))
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins"}))
}

// Promise reserved-names.
func TestReservedNamesOfOldAreNamedAndStay(t *testing.T) {
	b := servertest.New(t)
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddGroup(identity.Group{Name: "docker"})
		return err
	}))
	var log bytes.Buffer
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.Must(nil, b.WarnReserved(t.Context()))
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "name=docker") {
		t.Errorf("log %s", log.String())
	}
	b.Must(b.Admin.ShowGroup(t.Context(), servertest.Named("docker")))
}
