package identity_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestARangeThatIsEmptyOrReservedIsRefused(t *testing.T) {
	for r, ok := range map[identity.IDRange]bool{
		{Min: 1000, Max: 60000}: true, {Min: 1000, Max: 1000}: true, {Min: 65536, Max: 524287}: true, identity.DefaultIDRange: true,
		{Min: 2000, Max: 1999}: false, {}: false, {Min: 999, Max: 1000}: false, {Min: 1000, Max: 60001}: false,
		{Min: 65535, Max: 70000}: false, {Min: 61184, Max: 61184}: false, {Min: 70000, Max: 4294967295}: false,
		{Min: 2147352575, Max: 2147352576}: false,
	} {
		if err := r.Validate(); (err == nil) != ok || err != nil && !errors.Is(err, identity.ErrID) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func TestASessionTokenOfNobodyIsNobodys(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	token := identity.SessionToken{
		ID: uuid.New(), Methods: []identity.FactorKind{identity.Password}, AuthenticatedAt: now.Unix(), ExpiresAt: now.Unix() + 1,
	}
	if err := token.Check(uuid.Nil, uuid.Nil, now, 0); err == nil {
		t.Error("a token without account and machine is good for neither")
	}
	token.Account = uuid.New()
	if err := token.Check(token.Account, uuid.Nil, now, 0); err == nil {
		t.Error("a token without a machine is good on none")
	}
	token.Account, token.Machine = uuid.Nil, uuid.New()
	if err := token.Check(uuid.Nil, token.Machine, now, 0); err == nil {
		t.Error("a token without an account is good for none")
	}
}

// The sets of kinds are tried one by one, so more kinds than there are would take for ever.
func TestMoreKindsThanThereAreLeadNowhere(t *testing.T) {
	var held []identity.FactorKind
	for i := range 40 {
		held = append(held, identity.FactorKind(fmt.Sprintf("kind %d", i)))
	}
	if next := identity.Next(held, nil, nil, func([]identity.FactorKind) bool { return false }); next != nil {
		t.Errorf("next is %v", next)
	}
}
