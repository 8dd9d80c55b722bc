// Package trips holds to what signing in costs in the database: how many statements, and how
// many times a server waits for PostgreSQL. Both are counted on the wire, so a statement that
// somebody adds to the way of a login shows here.
package trips

import (
	"context"
	"os"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/directory"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

func TestMain(m *testing.M) { os.Exit(servertest.OnPostgres(m)) }

// counted is a realm behind a counter.
func counted(t *testing.T) (*servertest.Bench, *postgres.Counter) {
	t.Helper()
	c, err := servertest.Postgres().Counter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	address, err := c.Address(servertest.Postgres().Realm(t))
	if err != nil {
		t.Fatal(err)
	}
	return servertest.On(t, address), c
}

// cost is what a call costs once its statements are prepared on every connection.
func cost(t *testing.T, c *postgres.Counter, call func()) postgres.Count {
	t.Helper()
	for range 12 {
		call()
	}
	c.Take()
	call()
	return c.Take()
}

// Promise fleet-trips.
func TestAPasswordLoginTakesFewTrips(t *testing.T) {
	b, c := counted(t)
	got := cost(t, c, func() { signIn(t, b) })
	t.Logf("a login by password: %+v", got)
	if most := (postgres.Count{Statements: 14, Trips: 6}); got.Statements > most.Statements || got.Trips > most.Trips {
		t.Errorf("a login by password costs %+v, and %+v is the most", got, most)
	}
}

func signIn(t *testing.T, b *servertest.Bench) {
	t.Helper()
	begun, err := b.Engine.Begin(b.Call(), &v1.BeginRequest{Name: "alice", Service: "test", Origin: "host 192.0.2.1"})
	b.Must(nil, err)
	got, err := b.Engine.Step(b.Call(), &v1.StepRequest{Session: begun.GetSession(), Kind: "password", Credential: []byte(servertest.Right)})
	b.Must(nil, err)
	if got.GetOutcome() != v1.Outcome_OUTCOME_ALLOW {
		t.Fatalf("%v", got)
	}
}

// Promise fleet-trips.
func TestAnIDTokenThatIsKnownTakesOneTrip(t *testing.T) {
	b, c := counted(t)
	d := directory.New(b.Realm, make(chan struct{}))
	get := func() {
		t.Helper()
		_, err := d.GetIDToken(b.Call(), &v1.GetIDTokenRequest{By: &v1.GetIDTokenRequest_Name{Name: "alice"}})
		b.Must(nil, err)
	}
	got := cost(t, c, get)
	t.Logf("an ID token: %+v", got)
	if got != (postgres.Count{Statements: 1, Trips: 1}) {
		t.Errorf("an ID token that is unchanged costs %+v", got)
	}
}

// wrongPassword is a login that comes to nothing.
func wrongPassword(ctx context.Context, t *testing.T, b *servertest.Bench) {
	t.Helper()
	begun, err := b.Engine.Begin(ctx, &v1.BeginRequest{Name: "alice", Service: "test", Origin: "seat"})
	b.Must(nil, err)
	got, err := b.Engine.Step(ctx, &v1.StepRequest{Session: begun.GetSession(), Kind: "password", Credential: []byte("wrong")})
	b.Must(nil, err)
	if got.GetOutcome() == v1.Outcome_OUTCOME_ALLOW {
		t.Fatalf("%v", got)
	}
}

// Promise fleet-trips.
func TestAWrongPasswordTakesFewTrips(t *testing.T) {
	b, c := counted(t)
	signIn(t, b)
	wrongPassword(b.Call(), t, b)
	signIn(t, b)
	c.Take()
	wrongPassword(b.Call(), t, b)
	got := c.Take()
	t.Logf("a wrong password: %+v", got)
	if most := (postgres.Count{Statements: 14, Trips: 8}); got.Statements > most.Statements || got.Trips > most.Trips {
		t.Errorf("a wrong password costs %+v, and %+v is the most", got, most)
	}
}
