package directory

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// as is the context of a call from that host, with that key in its TLS certificate.
func as(t *testing.T, host string, key ed25519.PublicKey) context.Context {
	t.Helper()
	return realm.WithCaller(t.Context(), realm.Caller{Host: host, Key: key})
}

func newKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func joinCode(b *servertest.Bench, name string) string {
	b.T.Helper()
	m, err := b.Admin.AddMachine(b.T.Context(), &v1.NameRequest{Name: name})
	if err != nil {
		b.T.Fatal(err)
	}
	return m.GetCode()
}

// Promise attack-network-join.
func TestAMachineJoinsOnlyWithTheKeyItsConnectionProves(t *testing.T) {
	b := servertest.New(t)
	m := New(b.Realm, nil)
	mine, other := newKey(t), newKey(t)
	code := joinCode(b, "laptop")
	for sentence, ctx := range map[string]context.Context{"another key": as(t, "h", other), "no certificate": as(t, "h", nil)} {
		_, err := m.Join(ctx, &v1.JoinRequest{Code: code, PublicKey: mine})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if _, err := m.Join(as(t, "h", mine), &v1.JoinRequest{Code: code, PublicKey: mine}); err != nil {
		t.Errorf("its own key: %v", err)
	}
}

// Promise attack-network-joins.
func TestOneHostCannotUseUpTheJoinsOfAnother(t *testing.T) {
	b := servertest.New(t)
	m := New(b.Realm, nil)
	m.tries = newQuota(3, 100)
	key := newKey(t)
	try := func(host string) error {
		_, err := m.Join(as(t, host, key), &v1.JoinRequest{Code: "wrong", PublicKey: key})
		return err
	}
	for range 3 {
		if err := try("192.0.2.1"); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Fatal(err)
		}
	}
	if err := try("192.0.2.1"); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("the fourth try of a host: %v", err)
	}
	code := joinCode(b, "laptop")
	if _, err := m.Join(as(t, "192.0.2.2", key), &v1.JoinRequest{Code: code, PublicKey: key}); err != nil {
		t.Errorf("another host: %v", err)
	}
	b.Unix.Add(int64(time.Minute.Seconds()))
	if err := try("192.0.2.1"); errors.Is(err, nil) || connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a minute later: %v", err)
	}
}
