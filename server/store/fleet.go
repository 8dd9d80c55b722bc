package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Standing is where the realm stands. Whoever keeps something of the database in memory
// compares it with the last: what has not moved need not be read again.
type Standing struct {
	History  uuid.UUID
	Revision uint64 // of the newest change of an account
	Term     uint64 // see [Tx.Term]
	// News grows with every change that servers and machines are to hear of, and Machines
	// with every change of who is a machine and what it may.
	News, Machines uint64
	// Ended grows with every grant that is ended before its time.
	Ended uint64
	// Moved says that the database is another copy than the one that the newest history is
	// of: it was restored, or a standby took its primary's place.
	Moved bool
	// Clock is the database's own, zero where it has none: the file of one server.
	Clock time.Time
}

// Standing reads it.
func (t *Tx) Standing() (Standing, error) {
	var s Standing
	var copied, wrote string
	var millis int64
	err := t.get([]any{&s.Revision, &s.Term, &s.News, &s.Machines, &s.Ended, &wrote, &copied, &millis, &s.History}, `SELECT revision, term, news, machines_at, grants_ended, copy, `+
		t.engine.copied()+`, `+t.engine.clock()+`, (SELECT id FROM histories ORDER BY seq DESC LIMIT 1) FROM realm`)
	s.Moved = copied != wrote
	if millis != 0 {
		s.Clock = time.UnixMilli(millis)
	}
	return s, err
}

// Announce has this transaction's changes noticed by all servers of the realm, once it is
// committed.
func (t *Tx) Announce() error {
	if err := t.one(`UPDATE realm SET news = news + 1`); err != nil {
		return err
	}
	return t.engine.announce(t)
}

// machinesChanged is called wherever it changes who is a machine and what it may.
func (t *Tx) machinesChanged() error { return t.one(`UPDATE realm SET machines_at = machines_at + 1`) }

// aboutMachine is one, for a statement about a machine's standing.
func (t *Tx) aboutMachine(query string, args ...any) error {
	if err := t.one(query, args...); err != nil {
		return err
	}
	return t.machinesChanged()
}

// Listen calls woken whenever another server may have announced something, until ctx ends
// or listening is not possible any more; then it returns why. It is a help and no more: a
// word may be lost, and a database that is one server's own has none to say.
func (s *Store) Listen(ctx context.Context, woken func()) error { return s.listen(ctx, woken) }

// SignsNow is the key that signs tokens: its public half and its encrypted private half,
// which is nil where that was never stored.
func (t *Tx) SignsNow() (pub ed25519.PublicKey, sealed []byte, err error) {
	var k []byte
	err = t.get([]any{&k, &sealed}, `SELECT public_key, sealed FROM signing_keys ORDER BY seq DESC LIMIT 1`)
	return k, sealed, err
}

// SealSigningKey stores the encrypted private half of a key that is known.
func (t *Tx) SealSigningKey(pub ed25519.PublicKey, sealed []byte) error {
	return t.one(`UPDATE signing_keys SET sealed = ? WHERE public_key = ?`, sealed, []byte(pub))
}

// ForgetOtherPrivateKeys forgets every private half but that one's. The public halves stay.
func (t *Tx) ForgetOtherPrivateKeys(pub ed25519.PublicKey) error {
	_, err := t.exec(`UPDATE signing_keys SET sealed = NULL WHERE public_key <> ?`, []byte(pub))
	return err
}

// Authority is the certificate of the realm's own certificate authority, and its key,
// encrypted; identity.ErrNotFound where it has none.
func (t *Tx) Authority() (certificate, sealed []byte, err error) {
	err = t.get([]any{&certificate, &sealed}, `SELECT certificate, sealed FROM authority`)
	return certificate, sealed, err
}

// SetAuthority stores it in place of the one before.
func (t *Tx) SetAuthority(certificate, sealed []byte) error {
	_, err := t.exec(`INSERT INTO authority (one, certificate, sealed) VALUES (1, ?, ?)
		ON CONFLICT (one) DO UPDATE SET certificate = excluded.certificate, sealed = excluded.sealed`, certificate, sealed)
	return err
}

// KeyList is the signed key list with what leads to it; identity.ErrNotFound before the
// first.
func (t *Tx) KeyList() (bundle []byte, err error) {
	err = t.get([]any{&bundle}, `SELECT bundle FROM key_list`)
	return bundle, err
}

// SetKeyList stores it in place of the one before.
func (t *Tx) SetKeyList(bundle []byte) error {
	_, err := t.exec(`INSERT INTO key_list (one, bundle) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET bundle = excluded.bundle`, bundle)
	return err
}

// Server is one of those that serve the realm.
type Server struct {
	ID uuid.UUID
	// URL is where machines reach it, "" where that was not said.
	URL string
	// TLS is what it is known by, in the form that package realm gives it.
	TLS     []byte
	Version string
	// Began is when it started last, Seen when it was last there.
	Began, Seen time.Time
}

// Serve notes that a server is there. It tells whether something about it is new that
// machines go by.
func (t *Tx) Serve(s Server) (news bool, err error) {
	s.TLS = append([]byte{}, s.TLS...) // none is empty, not NULL
	n, err := t.exec(`UPDATE servers SET version = ?, began = ?, seen = ? WHERE id = ? AND url = ? AND tls = ?`,
		s.Version, s.Began.Unix(), s.Seen.Unix(), s.ID, s.URL, s.TLS)
	if err != nil || n == 1 {
		return false, err
	}
	_, err = t.exec(`INSERT INTO servers (id, url, tls, version, began, seen) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET url = excluded.url, tls = excluded.tls, version = excluded.version, began = excluded.began, seen = excluded.seen`,
		s.ID, s.URL, s.TLS, s.Version, s.Began.Unix(), s.Seen.Unix())
	return true, errors.Join(err, t.serversChanged(s.Seen))
}

func (t *Tx) serversChanged(now time.Time) error {
	at := now.UnixNano()
	return t.one(`UPDATE realm SET servers_at = CASE WHEN servers_at < ? THEN ? ELSE servers_at + 1 END`, at, at)
}

// ServersVersion grows with each change of the servers that machines are told of.
func (t *Tx) ServersVersion() (version uint64, err error) {
	err = t.get([]any{&version}, `SELECT servers_at FROM realm`)
	return version, err
}

// Servers lists them, by their URLs.
func (t *Tx) Servers() (list []Server, err error) {
	err = t.each(func(row *sql.Rows) error {
		var s Server
		var began, seen int64
		err := row.Scan(&s.ID, &s.URL, &s.TLS, &s.Version, &began, &seen)
		s.Began, s.Seen = time.Unix(began, 0), time.Unix(seen, 0)
		list = append(list, s)
		return err
	}, `SELECT id, url, tls, version, began, seen FROM servers ORDER BY url, id`)
	return list, err
}

// RemoveServer forgets one.
func (t *Tx) RemoveServer(id uuid.UUID, now time.Time) error {
	if err := t.one(`DELETE FROM servers WHERE id = ?`, id); err != nil {
		return err
	}
	return t.serversChanged(now)
}
