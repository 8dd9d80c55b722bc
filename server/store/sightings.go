package store

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Sighting is that a machine was there: when, from which address, and what it ran.
type Sighting struct {
	Machine       uuid.UUID
	Host, Version string
	At            time.Time
}

// maxSightings of one statement: both databases take at least a thousand parameters.
const maxSightings = 200

// SawAll is [Tx.Saw] for many. Machines that are gone are passed over.
func (t *Tx) SawAll(all []Sighting) error {
	for some := range slices.Chunk(all, maxSightings) {
		args := make([]any, 0, 4*len(some))
		for _, s := range some {
			args = append(args, s.At.Unix(), s.Host, s.Version, s.Machine.String())
		}
		// Both databases name the columns of VALUES so.
		_, err := t.exec(`UPDATE machines SET seen = v.column1, seen_host = v.column2, version = v.column3
			FROM (VALUES `+strings.Repeat(`(CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)), `, len(some)-1)+
			`(CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))) AS v WHERE uuid = v.column4`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}
