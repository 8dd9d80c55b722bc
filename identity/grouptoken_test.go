package identity_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func groupToken() *identity.GroupToken {
	return &identity.GroupToken{
		Realm: "example", Group: identity.Group{UUID: machine, Name: "admins", GID: 70001}, IssuedAt: now.Unix(), Revision: 7,
	}
}

// Promise groups-on-demand-signed.
func TestAGroupTokenComesBackAsItWasAndIsTakenForNoOther(t *testing.T) {
	s, pub := pair(t, 1)
	other, _ := pair(t, 2)
	signed, err := s.SignGroupToken(groupToken())
	if err != nil {
		t.Fatal(err)
	}
	k := ring(t, pub)
	got, err := k.GroupToken(signed)
	if err != nil || got.Group.UUID != machine || got.Group.Name != "admins" || got.Group.GID != 70001 || got.Revision != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	// Told apart before anything in it is read.
	if tok, err := k.IDToken(signed); !errors.Is(err, identity.ErrToken) || !strings.Contains(err.Error(), "content type") {
		t.Errorf("a group is taken for an account: %+v, %v", tok, err)
	}
	account, err := s.SignIDToken(token())
	if err != nil {
		t.Fatal(err)
	}
	evil := groupToken()
	evil.Realm = "evil"
	elsewhere, err := s.SignGroupToken(evil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.SignGroupToken(groupToken())
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"an account": account, "of another realm": elsewhere, "another signer's": stranger, "nothing": nil,
		"cut short": signed[:len(signed)-1], "with a tail": append(bytes.Clone(signed), 0),
	} {
		if tok, err := k.GroupToken(b); !errors.Is(err, identity.ErrToken) || tok != nil {
			t.Errorf("%s: %+v, %v", name, tok, err)
		}
	}
}

// Promise groups-on-demand-signed.
func TestAGroupTokenThatBreaksARuleIsNotSigned(t *testing.T) {
	s, _ := pair(t, 1)
	for name, change := range map[string]func(*identity.GroupToken){
		"no realm":        func(t *identity.GroupToken) { t.Realm = "" },
		"an odd realm":    func(t *identity.GroupToken) { t.Realm = "a:b" },
		"no uuid":         func(t *identity.GroupToken) { t.Group.UUID = uuid.Nil },
		"no name":         func(t *identity.GroupToken) { t.Group.Name = "" },
		"an odd name":     func(t *identity.GroupToken) { t.Group.Name = "a:b" },
		"another realm's": func(t *identity.GroupToken) { t.Group.Name = "admins@evil" },
		"a reserved gid":  func(t *identity.GroupToken) { t.Group.GID = 61184 },
		"the gid of root": func(t *identity.GroupToken) { t.Group.GID = 0 },
	} {
		tok := groupToken()
		change(tok)
		if b, err := s.SignGroupToken(tok); !errors.Is(err, identity.ErrToken) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise groups-on-demand-signed.
func FuzzGroupToken(f *testing.F) {
	s, pub := pair(f, 1)
	signed, err := s.SignGroupToken(groupToken())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte{0xd2, 0x84})
	k := ring(f, pub)
	f.Fuzz(func(t *testing.T, b []byte) {
		if tok, err := k.GroupToken(b); err == nil && (tok.Group.UUID != groupToken().Group.UUID || tok.Revision != 7) {
			t.Errorf("forged: %+v", tok)
		}
	})
}
