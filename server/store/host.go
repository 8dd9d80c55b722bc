package store

import (
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Hosts are the names and addresses by which people reach a machine by ssh, each sorted.
// Administrators gave them; a machine says nothing about its own.
type Hosts struct {
	Names     []string
	Addresses []netip.Addr
}

// SetHosts gives a machine these in place of those that it has. It is ErrExists where
// another machine has one.
func (t *Tx) SetHosts(machine uuid.UUID, h Hosts) error {
	if _, err := t.exec(`DELETE FROM machine_hosts WHERE machine_uuid = ?`, machine); err != nil {
		return err
	}
	for _, n := range h.Names {
		if err := t.addHost(machine, n, false); err != nil {
			return err
		}
	}
	for _, a := range h.Addresses {
		if err := t.addHost(machine, a.String(), true); err != nil {
			return err
		}
	}
	return t.machinesChanged()
}

func (t *Tx) addHost(machine uuid.UUID, host string, address bool) error {
	n, err := t.exec(`INSERT INTO machine_hosts (host, machine_uuid, address) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, host, machine, address)
	if err == nil && n == 0 {
		err = fmt.Errorf("%q %w, at another machine or twice", host, ErrExists)
	}
	return err
}

// HostsOf are a machine's.
func (t *Tx) HostsOf(machine uuid.UUID) (h Hosts, err error) {
	err = t.each(func(row *sql.Rows) error {
		var host string
		var address bool
		if err := row.Scan(&host, &address); err != nil || !address {
			h.Names = append(h.Names, host)
			return err
		}
		a, err := netip.ParseAddr(host)
		h.Addresses = append(h.Addresses, a)
		return err //nolint:wrapcheck // it was checked when it was stored
	}, `SELECT host, address FROM machine_hosts WHERE machine_uuid = ? ORDER BY host`, machine)
	slices.SortFunc(h.Addresses, netip.Addr.Compare)
	return h, err
}

// MachineByHost finds the machine that people reach by that name or address: one that an
// administrator gave it, or else its own name in the realm, which machines that join by a
// token choose. Case does not matter.
func (t *Tx) MachineByHost(host string) (Machine, error) {
	host = strings.ToLower(host)
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE name = ? OR uuid = (SELECT machine_uuid FROM machine_hosts WHERE host = ?)
			ORDER BY CASE WHEN uuid = (SELECT machine_uuid FROM machine_hosts WHERE host = ?) THEN 0 ELSE 1 END LIMIT 1`, host, host, host)
	})
}
