package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// What every request of a machine begins with is read for all that wait at the time.

// shared are the readings of a store that are for several.
type shared struct {
	machines *together[string, machineOr]
	// accounts are by the column that they are found by.
	accounts map[string]*together[accountFor, signedFor]
	tokens   *together[tokenFor, heldTokenOr]
}

func newShared(s *Store) shared {
	r := shared{accounts: make(map[string]*together[accountFor, signedFor])}
	r.machines = &together[string, machineOr]{read: func(ctx context.Context, keys []string) ([]machineOr, error) {
		return once(ctx, s, func(tx *Tx) ([]machineOr, error) { return tx.machinesOf(keys) })
	}}
	r.tokens = &together[tokenFor, heldTokenOr]{read: func(ctx context.Context, list []tokenFor) ([]heldTokenOr, error) {
		return once(ctx, s, func(tx *Tx) ([]heldTokenOr, error) { return tx.heldTokens(list) })
	}}
	for _, column := range []string{byName, byUID, byUUID} {
		r.accounts[column] = &together[accountFor, signedFor]{read: func(ctx context.Context, list []accountFor) ([]signedFor, error) {
			return once(ctx, s, func(tx *Tx) ([]signedFor, error) { return tx.accountsFor(column, list) })
		}}
	}
	return r
}

func once[A any](ctx context.Context, s *Store, f func(*Tx) ([]A, error)) (found []A, err error) {
	err = s.Once(ctx, func(tx *Tx) (err error) {
		found, err = f(tx)
		return err
	})
	return found, err
}

// machineOr is a machine, if there is one.
type machineOr struct {
	machine Machine
	known   bool
}

// MachineForKey finds the machine that joined with that key, as [Tx.MachineByKey] does. Those
// who ask at the same time are answered by one query.
func (s *Store) MachineForKey(ctx context.Context, key ed25519.PublicKey) (Machine, error) {
	m, err := s.shared.machines.ask(ctx, string(key))
	if err == nil && !m.known {
		err = identity.ErrNotFound
	}
	return m.machine, err
}

// machinesOf answers several by one query.
func (t *Tx) machinesOf(keys []string) ([]machineOr, error) {
	binary := make([][]byte, len(keys))
	for i, k := range keys {
		binary[i] = []byte(k)
	}
	args := padded(binary)
	all, err := t.machines(`WHERE public_key IN (`+marks(len(args))+`)`, args...)
	if err != nil {
		return nil, err
	}
	found := make([]machineOr, len(keys))
	for _, m := range all {
		for i, k := range keys {
			if string(m.Key) == k {
				found[i] = machineOr{m, true}
			}
		}
	}
	return found, nil
}

// accountFor asks for an account on behalf of a machine that may know everybody.
type accountFor struct {
	key string // the machine's
	by  By
}

// signedFor is what an ID token is found by that was signed before.
type signedFor struct {
	account Account
	signs   Signs
	known   bool
}

// AccountForKey finds an account, and the public half of the key that signs tokens, on behalf
// of the machine of a key that may know everybody. It is identity.ErrNotFound where there is
// no such account or machine, or the machine is shut out or has a scope: others find out which.
// Those who ask at the same time are answered by one query.
func (s *Store) AccountForKey(ctx context.Context, key ed25519.PublicKey, by By) (Account, Signs, error) {
	t := s.shared.accounts[by.column]
	if t == nil {
		return Account{}, Signs{}, fmt.Errorf("an account by %q: %w", by.column, identity.ErrNotFound)
	}
	a, err := t.ask(ctx, accountFor{string(key), by})
	if err == nil && !a.known {
		err = identity.ErrNotFound
	}
	return a.account, a.signs, err
}

// accountsFor answers several by one query.
func (t *Tx) accountsFor(column string, list []accountFor) ([]signedFor, error) {
	var signs Signs
	accounts, machines := make(map[any]Account), make(map[string]bool)
	values, keys := make([]any, len(list)), make([][]byte, len(list))
	for i, q := range list {
		values[i], keys[i] = q.by.value, []byte(q.key)
	}
	err := t.wide(``, nil, signs.part(), accountsPart(column, padded(values), accounts), openMachines(padded(keys), machines))
	if err != nil {
		return nil, fmt.Errorf("accounts of tokens: %w", err)
	}
	found := make([]signedFor, len(list))
	for i, q := range list {
		a, known := accounts[q.by.value]
		if known && machines[q.key] {
			found[i] = signedFor{a, signs, true}
		}
	}
	return found, nil
}

// part reads what tells whether a token that was signed before is still what would be signed.
func (s *Signs) part() part {
	return part{
		what:  "realm",
		texts: []string{`(SELECT id FROM histories ORDER BY seq DESC LIMIT 1)`},
		bytes: []string{`(SELECT public_key FROM signing_keys ORDER BY seq DESC LIMIT 1)`},
		ints:  []string{`term`},
		from:  `realm`,
		read: func(r *wideRow) (err error) {
			s.Key, s.Term = bytes.Clone(r.byte[0]), r.big(0)
			s.History, err = r.id(0)
			return err
		},
	}
}

// openMachines notes the keys of machines that may know everybody.
func openMachines(keys []any, machines map[string]bool) part {
	return part{
		what: "machine", bytes: []string{`public_key`}, from: `machines WHERE public_key IN (` + marks(len(keys)) + `) AND scoped + quarantined = 0`, args: keys,
		read: func(r *wideRow) error {
			machines[string(r.byte[0])] = true
			return nil
		},
	}
}

// accountsPart reads accounts, by what they are found by.
func accountsPart(column string, values []any, into map[any]Account) part {
	return part{
		what:  "account",
		texts: []string{`uuid`, `name`, `full_name`, `home`, `shell`, `group_uuid`},
		ints:  []string{`uid`, `state`, `valid_from`, `valid_until`, `revision`},
		from:  `accounts WHERE ` + column + ` IN (` + marks(len(values)) + `)`, args: values,
		read: func(r *wideRow) error {
			var a Account
			if err := a.read(r); err != nil {
				return err
			}
			into[map[string]any{byName: a.Name, byUID: a.UID, byUUID: a.UUID}[column]] = a
			return nil
		},
	}
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat(`?, `, n), `, `) }

// read takes an account from the columns that both parts about accounts begin with.
func (a *Account) read(r *wideRow) (err error) {
	a.Name, a.FullName, a.Home, a.Shell = identity.Name(r.str(1)), r.str(2), r.str(3), r.str(4)
	a.UID, a.State, a.ValidFrom, a.ValidUntil, a.Revision = r.small(0), identity.State(r.num(1)), r.num(2), r.num(3), r.big(4) //nolint:gosec // as it was stored
	a.GID = a.UID
	if a.UUID, err = r.id(0); err != nil {
		return err
	}
	a.OwnGroup, err = r.id(5)
	return err
}
