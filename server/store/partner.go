package store

import (
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// MaxPartners is how many realms a realm trusts.
const MaxPartners = 64

// Organisation is what the realm says of itself to its partners.
func (t *Tx) Organisation() (text string, err error) {
	err = t.get([]any{&text}, `SELECT organisation FROM realm`)
	return text, err
}

// SetOrganisation says it.
func (t *Tx) SetOrganisation(text string) error {
	return t.one(`UPDATE realm SET organisation = ?`, text)
}

// Partner is a realm that this one trusts.
type Partner struct {
	ID    uuid.UUID
	Realm string
	// URLs are where its servers are asked, one after the other.
	URLs []string
	// Root is the realm key that is trusted, Bundle the newest key list that it led to, with
	// what leads to it, and Version that list's.
	Root    ed25519.PublicKey
	Bundle  []byte
	Version uint64
	// Organisation is what the realm said of itself last.
	Organisation string
	Added        time.Time
	// History and Position are how far this realm came in the other's change log, and Listing
	// since when a whole list is being told; zero: none is.
	History  uuid.UUID
	Position uint64
	Listing  time.Time
	// Tried is when the realm was asked last, and Reached when it last told all that it had
	// to tell; zero: never.
	Tried, Reached time.Time
	// Refused: its server says that this realm is no partner there.
	Refused bool
	// Fault is why the last try failed; "" where it did not.
	Fault string
}

const partnerColumns = `SELECT id, realm, urls, root_key, key_bundle, list_version, organisation, added, history, position, listing, tried, reached, refused, fault FROM partners `

func scanPartner(scan func(...any) error) (p Partner, err error) {
	var root []byte
	var urls string
	var version, position, added, listing, tried, reached int64
	err = scan(&p.ID, &p.Realm, &urls, &root, &p.Bundle, &version, &p.Organisation, &added, &p.History, &position, &listing, &tried, &reached, &p.Refused, &p.Fault)
	p.Root, p.URLs = root, strings.Fields(urls)
	p.Version, p.Position = uint64(version), uint64(position) //nolint:gosec // the same bits
	p.Added, p.Listing, p.Tried, p.Reached = time.Unix(added, 0), moment(listing), moment(tried), moment(reached)
	return p, err
}

// Partners lists them by the names of their realms.
func (t *Tx) Partners() (list []Partner, err error) {
	err = t.each(func(row *sql.Rows) error {
		p, err := scanPartner(row.Scan)
		list = append(list, p)
		return err
	}, partnerColumns+`ORDER BY realm`)
	return list, err
}

// Partner is one of them; identity.ErrNotFound where it is none.
func (t *Tx) Partner(realm string) (Partner, error) {
	return scanPartner(func(into ...any) error { return t.get(into, partnerColumns+`WHERE realm = ?`, realm) })
}

// AddPartner stores a new one; ErrExists where the realm is a partner.
func (t *Tx) AddPartner(p Partner) error {
	n, err := t.exec(`INSERT INTO partners (id, realm, urls, root_key, key_bundle, list_version, organisation, added, history, position, listing, next, tried, reached, refused, fault)
		VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, 0, 0, 0, 0, 0, 0, '') ON CONFLICT DO NOTHING`,
		p.ID, p.Realm, strings.Join(p.URLs, " "), []byte(p.Root), p.Bundle, int64(p.Version), p.Added.Unix(), uuid.Nil) //nolint:gosec // the same bits
	if err == nil && n == 0 {
		return fmt.Errorf("partner %q %w", p.Realm, ErrExists)
	}
	return err
}

// PinPartner trusts another key and list of the realm than p has. It is identity.ErrNotFound where
// the partner was removed, or the one that is pinned is another by now.
func (t *Tx) PinPartner(p Partner, root ed25519.PublicKey, bundle []byte, version uint64) error {
	return t.one(`UPDATE partners SET root_key = ?, key_bundle = ?, list_version = ? WHERE id = ? AND root_key = ? AND list_version = ?`,
		[]byte(root), bundle, int64(version), p.ID, []byte(p.Root), int64(p.Version)) //nolint:gosec // the same bits
}

// RemovePartner forgets it, with everything that it told.
func (t *Tx) RemovePartner(realm string) error {
	return t.one(`DELETE FROM partners WHERE realm = ?`, realm)
}

// DuePartners are those that are to be asked by now.
func (t *Tx) DuePartners(now time.Time) (list []Partner, err error) {
	err = t.each(func(row *sql.Rows) error {
		p, err := scanPartner(row.Scan)
		list = append(list, p)
		return err
	}, partnerColumns+`WHERE next <= ? ORDER BY realm`, now.Unix())
	return list, err
}

// ClaimPartner tells whether the caller is who asks that partner now; nobody else does before
// until.
func (t *Tx) ClaimPartner(id uuid.UUID, now, until time.Time) (bool, error) {
	n, err := t.exec(`UPDATE partners SET next = ?, tried = ? WHERE id = ? AND next <= ?`, until.Unix(), now.Unix(), id, now.Unix())
	return n == 1, err
}

// AskedPartner notes how it went, and when to ask again. It does not matter if the partner was
// removed meanwhile.
func (t *Tx) AskedPartner(id uuid.UUID, fault string, refused bool, next time.Time) error {
	_, err := t.exec(`UPDATE partners SET fault = ?, refused = ?, next = ? WHERE id = ?`, fault, refused, next.Unix(), id)
	return err
}

// AskPartnerNow has it asked at the next opportunity.
func (t *Tx) AskPartnerNow(id uuid.UUID) error {
	return t.one(`UPDATE partners SET next = 0 WHERE id = ?`, id)
}

// MovePartner notes how far this realm came. It is identity.ErrNotFound where the partner was
// removed, or somebody else came further meanwhile: from is where this began.
func (t *Tx) MovePartner(from, to Partner) error {
	return t.one(`UPDATE partners SET history = ?, position = ?, listing = ?, reached = ?, organisation = ? WHERE id = ? AND history = ? AND position = ?`,
		to.History, int64(to.Position), unix(to.Listing), unix(to.Reached), to.Organisation, from.ID, from.History, int64(from.Position)) //nolint:gosec // the same bits
}

// PartnerAlarm is something about a partner that an administrator has to look at.
type PartnerAlarm struct {
	Kind, Text string
	Since      time.Time
}

// PartnerAlarms lists those of one partner.
func (t *Tx) PartnerAlarms(id uuid.UUID) (list []PartnerAlarm, err error) {
	err = t.each(func(row *sql.Rows) error {
		var a PartnerAlarm
		var since int64
		err := row.Scan(&a.Kind, &a.Text, &since)
		a.Since = time.Unix(since, 0)
		list = append(list, a)
		return err
	}, `SELECT kind, text, since FROM partner_alarms WHERE partner = ? ORDER BY kind`, id)
	return list, err
}

// RaisePartnerAlarm tells whether the alarm says something new.
func (t *Tx) RaisePartnerAlarm(id uuid.UUID, a PartnerAlarm) (news bool, err error) {
	n, err := t.exec(`INSERT INTO partner_alarms (partner, kind, text, since) SELECT id, ?, ?, ? FROM partners WHERE id = ?
		ON CONFLICT (partner, kind) DO UPDATE SET text = excluded.text WHERE partner_alarms.text <> excluded.text`, a.Kind, a.Text, a.Since.Unix(), id)
	return n == 1, err
}

// EndPartnerAlarm tells whether there was one of that kind.
func (t *Tx) EndPartnerAlarm(id uuid.UUID, kind string) (was bool, err error) {
	n, err := t.exec(`DELETE FROM partner_alarms WHERE partner = ? AND kind = ?`, id, kind)
	return n == 1, err
}
