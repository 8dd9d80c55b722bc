package directory

import (
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Applied is what became of a token.
type Applied struct {
	// Late says why it was passed over in favour of what is held; "" when it was not.
	Late string
	// Back is set when the server is back at an earlier state of the account, which
	// counts; Held is the revision that was held before.
	Back bool
	Held uint64
	// Refused says why it was not taken; "" when it was. With Blocked an older token of
	// the account is held, which lets nobody in any more.
	Refused string
	Blocked bool
	// Bindings are numbers that were first seen with it.
	Bindings []Binding
}

// Apply puts a token into the directory, as it came or with a list that is being read.
// When a newer token of an account that is held is refused, the old one may no longer let
// anyone in: its entry is blocked.
func (x *Directory) Apply(t *identity.IDToken, fetched time.Time, list *Listing) (did Applied) {
	x.mu.Lock()
	defer x.mu.Unlock()
	a := t.Account
	held := x.atUUID(a.UUID)
	if did.Late = x.late(t, held, list); did.Late != "" {
		return did
	}
	another := held != nil && (t.Revision != held.revision || x.historyOf(held) != t.History)
	if another && t.Revision < held.revision {
		did.Back, did.Held = true, held.revision
		x.forgetGroups(t)
	}
	if did.Refused = x.admit(t); did.Refused != "" {
		if another {
			x.block(a.UUID, t.Revision, did.Refused)
			did.Blocked = true
		}
		return did
	}
	own := t.Groups[0].UUID
	seenUID, seenGID := x.uidOf(a.UUID) != 0, x.gidOf(own) != 0
	p := x.put(NewEntry(t, fetched), t.Groups)
	if !seenUID {
		did.Bindings = append(did.Bindings, Binding{ID: a.UID, UUID: a.UUID})
	}
	if p.own != uuid.Nil && !seenGID {
		did.Bindings = append(did.Bindings, Binding{Group: true, ID: p.gid, UUID: p.own})
	}
	p.groups(func(n uint32) {
		if g := x.numbered[n]; g.problem == "" && x.gids.set(g.GID, g.UUID) {
			did.Bindings = append(did.Bindings, Binding{Group: true, ID: g.GID, UUID: g.UUID})
		}
	})
	return did
}

// Load takes a token that was remembered, and tells why it does not; "" when it does.
func (x *Directory) Load(t *identity.IDToken, fetched time.Time) (refused string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if refused = x.admit(t); refused == "" {
		x.put(NewEntry(t, fetched), t.Groups)
	}
	return refused
}

// Judge tells why a token would not be taken now; "" when it would.
func (x *Directory) Judge(t *identity.IDToken) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.admit(t)
}
