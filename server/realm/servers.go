package realm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxTrusts is how many different certificates the servers of a realm may be known by.
const maxTrusts = 8

// Register notes that this server is there. What it is known by is in the key list then,
// if the realm key is here to sign it.
func (r *Realm) Register(ctx context.Context, version string, began time.Time) error {
	if r.reader != nil {
		return nil // it is known since it was admitted
	}
	var err error
	if r.self == uuid.Nil {
		r.self = uuid.New()
		if err := WriteNew(r.Dir.serverID(), []byte(r.self.String()+"\n")); err != nil {
			return err
		}
	}
	me := store.Server{ID: r.self, URL: r.Settings.URL, Version: version, Began: began, Seen: r.Now()}
	if r.Settings.TLSCert != "" {
		if me.TLS, err = json.Marshal(r.certs.trust()); err != nil {
			return fmt.Errorf("register this server: %w", err)
		}
	}
	news := false
	err = r.Store.Write(ctx, func(tx *store.Tx) error {
		news, err = tx.Serve(me)
		return err
	})
	if err != nil || !news {
		return err
	}
	return r.bringUpToDate(ctx)
}

// Self is the id of this server; uuid.Nil before it served.
func (r *Realm) Self() uuid.UUID { return r.self }

// identity is the id of this server among those of its realm; uuid.Nil before it served.
func (d Dir) identity() (uuid.UUID, error) {
	b, err := os.ReadFile(d.serverID())
	if errors.Is(err, os.ErrNotExist) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("read this server's id: %w", err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(b)))
	if err != nil {
		return uuid.Nil, fmt.Errorf("read this server's id %s: %w", d.serverID(), err)
	}
	return id, nil
}

// serverList is the realm's servers that machines can reach, signed. One that says none
// withdraws what was said before; nil is before the first server registered.
func (r *Realm) serverList(tx *store.Tx) ([]byte, error) {
	servers, err := tx.Servers()
	if err != nil {
		return nil, err
	}
	version, err := tx.ServersVersion()
	if err != nil {
		return nil, err
	}
	l := &identity.ServerList{Realm: r.Name, Version: version}
	for _, s := range servers {
		same := func(u string) bool { return identity.ServerKey(u) == identity.ServerKey(s.URL) }
		if identity.CheckServerURL(s.URL) == nil && len(l.URLs) < identity.MaxServers && !slices.ContainsFunc(l.URLs, same) {
			l.URLs = append(l.URLs, s.URL)
		}
	}
	if version == 0 {
		return nil, nil
	}
	readers, err := tx.Readers()
	if err != nil {
		return nil, err
	}
	for _, d := range readers {
		same := func(u string) bool { return identity.ServerKey(u) == identity.ServerKey(d.URL) }
		if len(l.URLs)+len(l.ReadOnly) < identity.MaxServers && !slices.ContainsFunc(slices.Concat(l.URLs, l.ReadOnly), same) {
			l.ReadOnly = append(l.ReadOnly, d.URL)
		}
	}
	k, err := r.signing(tx)
	if err != nil {
		return nil, err
	}
	return k.signer.SignServerList(l)
}

// trusts are what the realm's servers are known by in TLS: this one's first.
func (r *Realm) trusts(tx *store.Tx) ([]identity.TLSTrust, error) {
	servers, err := tx.Servers()
	if err != nil {
		return nil, err
	}
	// This one is known by what it has now, whatever it registered with.
	servers = slices.DeleteFunc(servers, func(s store.Server) bool { return s.ID == r.self })
	slices.SortStableFunc(servers, func(a, b store.Server) int { return b.Seen.Compare(a.Seen) })
	own := store.Server{}
	if r.Settings.TLSCert != "" {
		if own.TLS, err = json.Marshal(r.certs.trust()); err != nil {
			return nil, fmt.Errorf("what this server is known by: %w", err)
		}
	}
	readers, err := tx.Readers()
	if err != nil {
		return nil, err
	}
	known := []store.Server{own}
	for _, d := range readers {
		known = append(known, store.Server{ID: d.ID, TLS: d.TLS})
	}
	var all []identity.TLSTrust
	for _, s := range append(known, servers...) {
		t, err := r.trustOf(tx, s)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, t.Equal) {
			all = append(all, t)
		}
	}
	return all[:min(len(all), maxTrusts)], nil
}

// trustOf is the realm's own authority where a server has no certificate of its own.
func (r *Realm) trustOf(tx *store.Tx, s store.Server) (t identity.TLSTrust, err error) {
	if len(s.TLS) > 0 {
		if err := json.Unmarshal(s.TLS, &t); err != nil {
			return t, fmt.Errorf("what server %s is known by: %w", s.ID, err)
		}
		return t, nil
	}
	ca, err := r.Box.authority(tx)
	if err != nil {
		return t, err
	}
	return identity.TrustAuthority(ca.Leaf), nil
}
