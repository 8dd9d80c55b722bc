package auth

import (
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// clientKind is what kind of thing signs somebody in.
type clientKind string

const (
	// machineClient is a computer that has joined the realm, for the people who log in to it.
	machineClient clientKind = "machine"
	// consoleClient are the pages of this realm's servers, for people at browsers: one client
	// whatever the server is. See console.go.
	consoleClient clientKind = "console"
)

// client is who asks that somebody be authenticated: whoever a session belongs to, whose
// attempts are counted together, and whom a session token is for. The zero value is
// nobody: no session begins for it, it goes on with none, and nothing is granted to it.
type client struct {
	kind clientKind
	id   uuid.UUID
	name identity.Name
	// sealTo is what secrets that it may hold are sealed to; nil: it holds none.
	sealTo []byte
}

func machineAsClient(m store.Machine) client {
	return client{kind: machineClient, id: m.UUID, name: m.Name, sealTo: m.SealingKey}
}

// nobody tells whether this is no client at all.
func (c client) nobody() bool { return c.kind == "" || c.id == uuid.Nil }

// is tells whether both are one client. Nobody is the same as nobody else.
func (c client) is(other client) bool {
	return !c.nobody() && c.kind == other.kind && c.id == other.id
}

// actor is what the audit log calls it.
func (c client) actor() string {
	if c.kind == consoleClient {
		return ConsoleActor
	}
	return string(c.kind) + " " + string(c.name)
}
