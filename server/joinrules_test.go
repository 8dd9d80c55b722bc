package server

import (
	"crypto/ed25519"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func TestNoKeyIsNoKeyToJoinWith(t *testing.T) {
	b := newBench(t)
	m := &machines{realm: b.realm, tries: newQuota(100, 100)}
	code, mine := b.joinCode("laptop"), newKey(t)
	for sentence, key := range map[string]ed25519.PublicKey{"none": nil, "an empty one": {}} {
		_, err := m.Join(as(t, "h", nil), &v1.JoinRequest{Code: code, PublicKey: key})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if _, err := m.Join(as(t, "h", mine), &v1.JoinRequest{Code: code, PublicKey: mine}); err != nil {
		t.Errorf("the code is used up: %v", err)
	}
}

func TestJoinsAreCountedByHostAndTogetherEachMinute(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	q := newQuota(2, 3)
	try := func(host string, want bool) {
		t.Helper()
		if got := q.use(host, now); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
	try("a", true)
	try("a", true)
	try("a", false)
	try("b", true)
	try("c", false) // all of them together
	now = now.Add(59 * time.Second)
	try("b", false)
	now = now.Add(time.Second)
	try("c", true)
	// A clock that was set back shuts nobody out until it is where it was.
	try("c", true)
	now = now.Add(-24 * time.Hour)
	try("c", true)
}
