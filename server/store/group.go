package store

import (
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// AddGroup stores a new group. Its uuid is made here; its gid is allotted when
// it is zero.
func (t *Tx) AddGroup(g identity.Group) (identity.Group, error) {
	g.UUID = uuid.New()
	if err := t.claim(g.Name); err != nil {
		return identity.Group{}, err
	}
	id, err := t.allot(g.GID, g.UUID)
	if err != nil {
		return identity.Group{}, err
	}
	g.GID = id
	_, err = t.exec(`INSERT INTO groups (uuid, name, gid, demands, points, earned) VALUES (?, ?, ?, ?, ?, ?)`,
		g.UUID, g.Name, g.GID, joinKinds(g.Demands), g.Points, g.Earned)
	return g, err
}

const groupColumns = `uuid, name, gid, demands, points, earned`

func joinKinds(kinds []identity.FactorKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " ")
}

func scanGroup(scan func(...any) error) (identity.Group, error) {
	var g identity.Group
	var demands string
	err := scan(&g.UUID, &g.Name, &g.GID, &demands, &g.Points, &g.Earned)
	for _, k := range strings.Fields(demands) {
		g.Demands = append(g.Demands, identity.FactorKind(k))
	}
	return g, err
}

func (t *Tx) groups(query string, args ...any) ([]identity.Group, error) {
	var all []identity.Group
	err := t.each(func(row *sql.Rows) error {
		g, err := scanGroup(row.Scan)
		all = append(all, g)
		return err
	}, query, args...)
	return all, err
}

// GroupByName finds a group; private groups of accounts are not found here.
func (t *Tx) GroupByName(name identity.Name) (identity.Group, error) {
	return scanGroup(func(into ...any) error {
		return t.get(into, `SELECT `+groupColumns+` FROM groups WHERE name = ?`, name)
	})
}

// Groups lists every group by name, private ones not included.
func (t *Tx) Groups() ([]identity.Group, error) {
	return t.groups(`SELECT ` + groupColumns + ` FROM groups ORDER BY name`)
}

// GroupsOf lists every group that the account is in, directly or through other
// groups, its own group first and the rest by name.
func (t *Tx) GroupsOf(a Account) ([]identity.Group, error) {
	own := identity.Group{UUID: a.OwnGroup, Name: a.Name, GID: a.GID}
	rest, err := t.groups(`WITH RECURSIVE up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = ?
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id)
		SELECT `+groupColumns+` FROM groups JOIN up ON uuid = up.id ORDER BY name`, a.UUID)
	return append([]identity.Group{own}, rest...), err
}

// Members lists the names of a group's direct members.
func (t *Tx) Members(group uuid.UUID) (accounts, groups []identity.Name, err error) {
	accounts, err = t.names(`SELECT a.name FROM accounts a JOIN group_accounts m ON a.uuid = m.account_uuid WHERE m.group_uuid = ? ORDER BY a.name`, group)
	if err != nil {
		return nil, nil, err
	}
	groups, err = t.names(`SELECT g.name FROM groups g JOIN group_groups m ON g.uuid = m.child WHERE m.parent = ? ORDER BY g.name`, group)
	return accounts, groups, err
}

func (t *Tx) names(query string, args ...any) ([]identity.Name, error) {
	var names []identity.Name
	err := t.each(func(row *sql.Rows) error {
		var n identity.Name
		if err := row.Scan(&n); err != nil {
			return err
		}
		names = append(names, n)
		return nil
	}, query, args...)
	return names, err
}

// under lists the accounts in the group, directly or through groups in it.
func (t *Tx) under(group uuid.UUID) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := t.each(func(row *sql.Rows) error {
		var id uuid.UUID
		if err := row.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	}, `WITH RECURSIVE down(id) AS (VALUES (?) UNION SELECT child FROM group_groups JOIN down ON parent = down.id)
		SELECT DISTINCT account_uuid FROM group_accounts JOIN down ON group_uuid = down.id ORDER BY account_uuid`, group)
	return ids, err
}

// RemoveGroup removes a group; its members lose it, and what it gave them. It is ErrInUse
// while a rule for requests names it: what the rule refuses would be open.
func (t *Tx) RemoveGroup(g identity.Group) error {
	rule, err := t.ruleOf(g.UUID)
	if err != nil {
		return err
	}
	if rule != "" {
		return fmt.Errorf("%w: rule %q names the group; change that first (\"rule list\" shows it)", ErrInUse, rule)
	}
	affected, err := t.under(g.UUID)
	if err != nil {
		return err
	}
	if err := t.one(`DELETE FROM groups WHERE uuid = ?`, g.UUID); err != nil {
		return err
	}
	if err := t.one(`DELETE FROM names WHERE name = ?`, g.Name); err != nil {
		return err
	}
	return t.touchAll(affected)
}

// AddAccountTo makes the account a member of the group. It is ErrExists when it
// is one already.
func (t *Tx) AddAccountTo(group, account uuid.UUID) error {
	n, err := t.exec(`INSERT INTO group_accounts (group_uuid, account_uuid) VALUES (?, ?) ON CONFLICT DO NOTHING`, group, account)
	if err == nil && n == 0 {
		return ErrExists
	}
	if err != nil {
		return err
	}
	_, err = t.touch(account)
	return err
}

// RemoveAccountFrom ends a direct membership.
func (t *Tx) RemoveAccountFrom(group, account uuid.UUID) error {
	if err := t.one(`DELETE FROM group_accounts WHERE group_uuid = ? AND account_uuid = ?`, group, account); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// AddGroupTo nests child in parent: child's members become parent's.
func (t *Tx) AddGroupTo(parent, child uuid.UUID) error {
	var cycle bool
	err := t.get([]any{&cycle}, `WITH RECURSIVE down(id) AS (VALUES (?) UNION SELECT child FROM group_groups JOIN down ON parent = down.id)
		SELECT EXISTS (SELECT 1 FROM down WHERE id = ?)`, child, parent)
	if err != nil {
		return err
	}
	if cycle {
		return ErrCycle
	}
	n, err := t.exec(`INSERT INTO group_groups (parent, child) VALUES (?, ?) ON CONFLICT DO NOTHING`, parent, child)
	if err == nil && n == 0 {
		return ErrExists
	}
	if err != nil {
		return err
	}
	return t.touchUnder(child)
}

// RemoveGroupFrom ends a nesting.
func (t *Tx) RemoveGroupFrom(parent, child uuid.UUID) error {
	if err := t.one(`DELETE FROM group_groups WHERE parent = ? AND child = ?`, parent, child); err != nil {
		return err
	}
	return t.touchUnder(child)
}

func (t *Tx) touchUnder(group uuid.UUID) error {
	affected, err := t.under(group)
	if err != nil {
		return err
	}
	return t.touchAll(affected)
}
