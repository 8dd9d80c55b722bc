package store

import (
	"database/sql"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Points returns what each kind of factor counts.
func (t *Tx) Points() (identity.Points, error) {
	table := identity.DefaultPoints()
	err := t.each(func(row *sql.Rows) error {
		var k identity.KindPoints
		if err := row.Scan(&k.Kind, &k.Points); err != nil {
			return err
		}
		for i := range table {
			if table[i].Kind == k.Kind {
				table[i].Points = k.Points
			}
		}
		return nil
	}, `SELECT kind, points FROM points`)
	return table, err
}

// SetPoints sets what these kinds count, the others stay. Every account gets a new
// revision.
func (t *Tx) SetPoints(points identity.Points) error {
	for _, k := range points {
		_, err := t.exec(`INSERT INTO points (kind, points) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET points = excluded.points`, k.Kind, k.Points)
		if err != nil {
			return err
		}
	}
	return t.touchEverybody()
}

func (t *Tx) touchEverybody() error {
	var all []uuid.UUID
	err := t.each(func(row *sql.Rows) error {
		var id uuid.UUID
		err := row.Scan(&id)
		all = append(all, id)
		return err
	}, `SELECT uuid FROM accounts ORDER BY uuid`)
	if err != nil {
		return err
	}
	return t.touchAll(all)
}

// SetGroupDemand sets how strong a proof the group demands and whether it is
// earned. Every member gets a new revision.
func (t *Tx) SetGroupDemand(g identity.Group) error {
	err := t.one(`UPDATE groups SET demands = ?, points = ?, earned = ? WHERE uuid = ?`, joinKinds(g.Demands), g.Points, g.Earned, g.UUID)
	if err != nil {
		return err
	}
	return t.touchUnder(g.UUID)
}

// Attestation is whom the realm believes that a key was made in a card.
type Attestation struct {
	Authorities [][]byte // certificates, DER
	// Required: a person's card that cannot show it is refused.
	Required bool
}

// Attestation returns it; the zero value before anything was set.
func (t *Tx) Attestation() (a Attestation, err error) {
	if err := t.get([]any{&a.Required}, `SELECT require_attestation FROM realm`); err != nil {
		return Attestation{}, err
	}
	err = t.each(func(row *sql.Rows) error {
		var der []byte
		err := row.Scan(&der)
		a.Authorities = append(a.Authorities, der)
		return err
	}, `SELECT certificate FROM attestation_cas ORDER BY seq`)
	return a, err
}

// SetAttestation replaces it.
func (t *Tx) SetAttestation(a Attestation) error {
	if _, err := t.exec(`UPDATE realm SET require_attestation = ?`, a.Required); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM attestation_cas`); err != nil {
		return err
	}
	for _, der := range a.Authorities {
		if _, err := t.exec(`INSERT INTO attestation_cas (certificate) VALUES (?) ON CONFLICT DO NOTHING`, der); err != nil {
			return err
		}
	}
	return nil
}
