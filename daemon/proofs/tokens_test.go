package proofs

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestTheNewestTokenOfALoginIsKeptUntilItsEnd(t *testing.T) {
	now, alice := time.Unix(1_800_000_000, 0), uuid.New()
	made := func(ago, life time.Duration, purpose string) *identity.SessionToken {
		return &identity.SessionToken{Account: alice, AuthenticatedAt: now.Add(-ago).Unix(), ExpiresAt: now.Add(life - ago).Unix(), Purpose: purpose}
	}
	for sentence, c := range map[string]struct {
		keep []*identity.SessionToken
		want string
	}{
		"none":                           {nil, ""},
		"one":                            {[]*identity.SessionToken{made(time.Minute, 8*time.Hour, "")}, "0"},
		"a newer one":                    {[]*identity.SessionToken{made(time.Hour, 8*time.Hour, ""), made(time.Minute, 8*time.Hour, "")}, "1"},
		"an older one, later":            {[]*identity.SessionToken{made(time.Minute, 8*time.Hour, ""), made(time.Hour, 8*time.Hour, "")}, "0"},
		"one that is over":               {[]*identity.SessionToken{made(9*time.Hour, 8*time.Hour, "")}, ""},
		"one for a decision":             {[]*identity.SessionToken{made(0, 8*time.Hour, "approve x")}, ""},
		"one for a password that is due": {[]*identity.SessionToken{made(0, 10*time.Minute, "")}, ""},
		"nothing where there was one":    {[]*identity.SessionToken{made(0, 8*time.Hour, ""), nil}, "0"},
	} {
		var s Store
		for i, k := range c.keep {
			s.Tokens.Keep(k, []byte{byte('0' + i)})
		}
		if got := string(s.Tokens.Of(alice, now)); got != c.want {
			t.Errorf("%s: %q, want %q", sentence, got, c.want)
		}
		if s.Tokens.Of(uuid.New(), now) != nil {
			t.Errorf("%s: another account has one", sentence)
		}
		s.Forget(alice)
		if s.Tokens.Of(alice, now) != nil {
			t.Errorf("%s: it is not forgotten", sentence)
		}
	}
}
