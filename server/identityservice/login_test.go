package identityservice_test

import (
	"bytes"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise identity-service-login.
func TestAPasswordIsRegisteredAndLogsIn(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	first := d.registered()
	second, err := d.login("alice", "tablet", password, whole)
	r.Must(nil, err)
	if len(first) != 32 || len(second) != 32 || bytes.Equal(first, second) {
		t.Fatalf("tokens %x and %x", first, second)
	}
	for what, c := range map[string]struct {
		user, dev string
		token     []byte
		want      bool
	}{
		"hers":             {"alice", "phone", first, true},
		"the second":       {"alice", "tablet", second, true},
		"another device's": {"alice", "phone", second, false},
		"another person's": {"carol", "phone", first, false},
		"nobody's":         {"nobody", "phone", first, false},
		"no device":        {"alice", "watch", first, false},
		"none":             {"alice", "phone", nil, false},
		"cut":              {"alice", "phone", first[:31], false},
		"longer":           {"alice", "phone", append(bytes.Clone(first), 0), false},
	} {
		if got := d.verifies(c.user, c.dev, c.token); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	_, err = d.login("alice", "phone", "wrong", whole)
	r.wants("a wrong password", err, connect.CodeUnauthenticated)
	third, err := d.login("alice", "phone", password, whole)
	r.Must(nil, err)
	if d.verifies("alice", "phone", first) || !d.verifies("alice", "phone", third) {
		t.Error("a device has two tokens")
	}
}

// Promise identity-service-nobody.
func TestNobodyIsToldWhoHasRegistered(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	d.registered()
	said := map[string]string{}
	for _, user := range []string{"alice", "carol", "nobody"} {
		_, err := d.login(user, "phone", "wrong", whole)
		r.wants(user, err, connect.CodeUnauthenticated)
		said[user] = err.Error()
	}
	if said["alice"] != said["carol"] || said["alice"] != said["nobody"] {
		t.Errorf("%v", said)
	}
}

// Who only asks, and sends no last message, has seen the answer to a guess all the same.
// Promise identity-service-guesses.
func TestAGuessThatNobodyFinishesIsCounted(t *testing.T) {
	for name, far := range map[string]cut{"finished": whole, "cut off": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := r.device("laptop")
			d.registered()
			for range 5 {
				_, _ = d.login("alice", "phone", "wrong", far)
			}
			_, err := d.login("alice", "phone", password, whole)
			r.wants("the right one after five", err, connect.CodeResourceExhausted)
			r.Unix.Add(31)
			token, err := d.login("alice", "phone", password, whole)
			r.Must(nil, err)
			if !d.verifies("alice", "phone", token) {
				t.Error("it is not good")
			}
		})
	}
}

// Promise identity-service-guesses.
func TestARightPasswordIsNoFailure(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	d.registered()
	for range 3 { // each would be seen below
		_, err := d.login("alice", "phone", password, whole)
		r.Must(nil, err)
	}
	r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures("alice")
		for _, f := range list {
			if f.Count > 0 || f.Locked(r.Now()) {
				t.Errorf("counted: %+v", f)
			}
		}
		return err
	}))
}

// Promise identity-service-guesses.
func TestTheLocksAreThoseOfPasswords(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	d.registered()
	for range 5 {
		_, _ = d.login("alice", "phone", "wrong", whole)
	}
	f := map[store.Spot]identity.Tally{}
	r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures("alice")
		for _, one := range list {
			f[one.Spot] = one.Tally
		}
		return err
	}))
	for _, spot := range []store.Spot{
		{Kind: identity.Password, Machine: d.machine.UUID, Origin: identity.OriginOfHost("127.0.0.1").String()},
		{Kind: identity.Password, Machine: d.machine.UUID},
		{Kind: identity.Password},
	} {
		if f[spot].Count != 5 {
			t.Errorf("%+v: %+v", spot, f[spot])
		}
	}
}

// Promise identity-service-standing.
func TestWhoIsNotInGoodStandingIsNotVouchedFor(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	token := d.registered()
	set := func(disabled bool) {
		r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: disabled}))
	}
	set(true)
	if d.verifies("alice", "phone", token) {
		t.Error("a disabled account's token is good")
	}
	_, err := d.login("alice", "phone", password, whole)
	r.wants("a disabled account", err, connect.CodePermissionDenied)
	set(false)
	if !d.verifies("alice", "phone", token) {
		t.Error("it is not good again")
	}
	r.Must(r.Admin.RemoveAccount(t.Context(), &v1.NameRequest{Name: "alice"}))
	r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	if d.verifies("alice", "phone", token) {
		t.Error("another account of the same name inherits the token")
	}
	_, err = d.login("alice", "phone", password, whole)
	r.wants("another account of the same name", err, connect.CodeUnauthenticated)
}

// Promise identity-service-token.
func TestATokenEndsWithIdlenessAndAge(t *testing.T) {
	const day = 24 * 3600
	r := newRig(t)
	d := r.device("laptop")
	idle, most := uint32(30), uint32(90)
	r.Must(r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{IdleDays: &idle, MostDays: &most}))
	token := d.registered()
	begun := r.Unix.Load()
	for _, c := range []struct {
		at   int64
		good bool
	}{{29 * day, true}, {58 * day, true}, {87 * day, true}, {90*day - 1, true}, {90 * day, false}} {
		r.Unix.Store(begun + c.at)
		if got := d.verifies("alice", "phone", token); got != c.good {
			t.Errorf("after %s: %v", time.Duration(c.at)*time.Second, got)
		}
	}
	token, err := d.login("alice", "phone", password, whole)
	r.Must(nil, err)
	r.Unix.Add(30 * day)
	if d.verifies("alice", "phone", token) {
		t.Error("a token that was not used for 30 days is good")
	}
}
