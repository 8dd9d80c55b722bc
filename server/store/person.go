package store

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Common is what holds for everybody, of one moment.
type Common struct {
	// Clock is the latest time that was remembered, see [Tx.Clock].
	Clock  time.Time
	Rules  PasswordRules
	Points identity.Points
	Signs
}

// Signs is what tokens are signed with, and what they say of the database.
type Signs struct {
	// Key is the public half of the key, and Sealed the other one, see [Tx.SignsNow].
	Key    ed25519.PublicKey
	Sealed []byte
	// History and Term are those of [Tx.Term].
	History uuid.UUID
	Term    uint64
}

// Person is all that is stored of somebody, of the same moment as what holds for everybody.
// The zero value is nobody.
type Person struct {
	Common
	// Known: there is such an account, within the scope of the machine that was named.
	// Beyond: there is one, beyond that.
	Known, Beyond bool
	Account       Account
	// What the account holds; nil: none.
	Password    *Password
	TOTP        *TOTP
	Cards       []Card // as [Tx.Cards] lists them
	BackupCodes *BackupCodes
	// Groups and SSHKeys are as [Tx.GroupsOf] and [Tx.SSHKeys] list them.
	Groups  []identity.Group
	SSHKeys []identity.SSHKey

	revoked map[string]int64 // when which card was
	scoped  bool             // whether the account is within the machine's scope was not asked
}

// Attempt is what an attempt to sign in is judged by.
type Attempt struct {
	Person // without groups and keys
	// Failures are those of [Tx.FailuresAt].
	Failures map[Spot]identity.Tally
	// OnMachine and FromOrigin are when the account has signed in last, on that machine and
	// from that origin of it; zero: never.
	OnMachine, FromOrigin time.Time
	// Unlocked is that of [Tx.Unlocked].
	Unlocked time.Time
}

// Common reads it.
func (t *Tx) Common() (Common, error) {
	var c Common
	err := t.wide("", nil, t.common(&c)...)
	return c, err
}

// Person is the account of that name as that machine may know it.
func (t *Tx) Person(machine uuid.UUID, name identity.Name) (Person, error) {
	var p Person
	err := t.person(&p, `name = ?`, name, &machine, t.tokenParts(&p)...)
	return p, err
}

// PersonOf is an account that was read in this transaction, for whoever may know it.
func (t *Tx) PersonOf(account uuid.UUID) (Person, error) {
	var p Person
	err := t.person(&p, `uuid = ?`, account, nil, t.tokenParts(&p)...)
	return p, err
}

// Attempt is of a name at an origin of a machine.
func (t *Tx) Attempt(machine uuid.UUID, name identity.Name, origin string) (Attempt, error) {
	a := Attempt{Failures: make(map[Spot]identity.Tally)}
	err := t.person(&a.Person, `name = ?`, name, &machine, part{
		what: "failure", texts: []string{`kind`, `machine`, `origin`}, ints: []string{`count`, `since`, `locked_until`},
		from: `failures WHERE name = ? AND ` + failuresAt, args: []any{name, machine.String(), origin},
		read: func(r *wideRow) error {
			f := Spot{Kind: identity.FactorKind(r.str(0)), Origin: r.str(2)}
			if r.str(1) != "" {
				var err error
				if f.Machine, err = r.id(1); err != nil {
					return err
				}
			}
			a.Failures[f] = identity.Tally{Count: r.small(0), Since: time.Unix(r.num(1), 0), LockedUntil: time.Unix(r.num(2), 0)}
			return nil
		},
	}, part{
		what: "place", ints: []string{`MAX(last)`, `MAX(CASE WHEN origin = ? THEN last END)`},
		from: placesAt(machine) + ofWho + ` AND machine_uuid = ?`, args: []any{origin, machine},
		read: func(r *wideRow) error {
			a.OnMachine, a.FromOrigin = moment(r.num(0)), moment(r.num(1))
			return nil
		},
	}, part{
		what: "unlocked", ints: []string{`COALESCE(MAX(unlocked), 0)`}, from: `names WHERE name = ?`, args: []any{name},
		read: func(r *wideRow) error {
			a.Unlocked = time.UnixMilli(r.num(0))
			return nil
		},
	})
	if !a.Known {
		a.OnMachine, a.FromOrigin = time.Time{}, time.Time{}
	}
	return a, err
}

// scope is an expression that is 1 for an account that may be known, and 2 where the machine
// has a scope that the expression does not ask about.
type scope struct {
	may  string
	args []any
}

// unlimited asks no more than whether the machine has a scope, which few have: memberships are
// a recursion. limited asks for them.
func unlimited(machine uuid.UUID) scope {
	return scope{`COALESCE((SELECT CASE WHEN scoped = 0 THEN 1 ELSE 2 END FROM machines WHERE uuid = ?), 0)`, []any{machine}}
}

func limited(machine uuid.UUID) scope {
	return scope{`CASE WHEN EXISTS (SELECT 1 FROM machines WHERE uuid = ? AND scoped = 0)
		OR EXISTS (SELECT 1 FROM machine_admits WHERE group_uuid IN (SELECT id FROM up) AND machine_uuid = ?) THEN 1 ELSE 0 END`, []any{machine, machine}}
}

// person reads somebody, and more, for a machine; nil: for whoever may know everybody.
func (t *Tx) person(p *Person, where string, is any, machine *uuid.UUID, more ...part) error {
	if machine == nil || *machine == ConsoleClient {
		return t.personIn(p, where, is, scope{`1`, nil}, more...)
	}
	err := t.personIn(p, where, is, unlimited(*machine), more...)
	if err == nil && p.scoped {
		t.anew()
		*p = Person{}
		err = t.personIn(p, where, is, limited(*machine), more...)
	}
	return err
}

// personIn reads somebody within a scope. A writer reads the end of the audit log as well, for
// the rows that will come.
func (t *Tx) personIn(p *Person, where string, is any, may scope, more ...part) error {
	parts := append(t.common(&p.Common), p.account(may))
	parts = append(append(parts, p.holdings()...), more...)
	head := &AuditHead{}
	reads := t.ours.alone && t.ours.head == nil
	if reads {
		parts = append(parts, head.part())
	}
	err := t.wide(`WITH RECURSIVE who(uuid) AS (SELECT uuid FROM accounts WHERE `+where+`), up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = (SELECT uuid FROM who)
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id) `, []any{is}, parts...)
	if err != nil {
		return fmt.Errorf("somebody: %w", err)
	}
	if reads {
		t.ours.head = head
	}
	if !p.scoped {
		p.settle()
	}
	return nil
}

// settle is for when all parts are there.
func (p *Person) settle() {
	if !p.Known { // whatever was read is not for whoever asked
		*p = Person{Common: p.Common, Beyond: p.Beyond}
		return
	}
	if w := p.Password; w != nil {
		w.ChangeBy = w.changeBy(p.Rules)
	}
	slices.SortFunc(p.Cards, func(a, b Card) int {
		x, y := p.revoked[string(a.Fingerprint)], p.revoked[string(b.Fingerprint)]
		return cmp.Or(compareBools(x > 0, y > 0), cmp.Compare(y, x), cmp.Compare(a.Epoch, b.Epoch), bytes.Compare(a.Fingerprint, b.Fingerprint))
	})
	slices.SortFunc(p.SSHKeys, func(a, b identity.SSHKey) int { return cmp.Compare(a.Tag, b.Tag) })
	slices.SortFunc(p.Groups, func(a, b identity.Group) int { return cmp.Compare(a.Name, b.Name) })
	own := identity.Group{UUID: p.Account.OwnGroup, Name: p.Account.Name, GID: p.Account.GID}
	p.Groups = append([]identity.Group{own}, p.Groups...)
}

// compareBools has no before yes.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

func (t *Tx) common(c *Common) []part {
	c.Points = identity.DefaultPoints()
	return []part{{
		what:  "realm",
		texts: []string{`(SELECT id FROM histories ORDER BY seq DESC LIMIT 1)`},
		bytes: []string{`(SELECT public_key FROM signing_keys ORDER BY seq DESC LIMIT 1)`, `(SELECT sealed FROM signing_keys ORDER BY seq DESC LIMIT 1)`},
		ints:  []string{`clock`, `term`, `password_max_age`, `password_min_length`, `password_history`},
		from:  `realm`,
		read: func(r *wideRow) (err error) {
			c.Clock = time.Unix(r.num(0), 0)
			if t.ours.alone && t.ours.clock == nil {
				clock := c.Clock
				t.ours.clock = &clock
			}
			c.Rules = PasswordRules{MaxAge: r.small(2), MinLength: r.small(3), History: r.small(4)}
			c.Signs = Signs{Key: bytes.Clone(r.byte[0]), Sealed: bytes.Clone(r.byte[1]), Term: r.big(1)}
			c.History, err = r.id(0)
			return err
		},
	}, {
		what: "points", texts: []string{`kind`}, ints: []string{`points`}, from: `points`,
		read: func(r *wideRow) error {
			for i := range c.Points {
				if c.Points[i].Kind == identity.FactorKind(r.str(0)) {
					c.Points[i].Points = r.points(0)
				}
			}
			return nil
		},
	}}
}

// part reads it.
func (h *AuditHead) part() part {
	return part{
		what: "audit", bytes: []string{`hash`}, ints: []string{`id`}, from: `audit WHERE id = (SELECT MAX(id) FROM audit)`,
		read: func(r *wideRow) error {
			h.ID, h.Hash = r.num(0), bytes.Clone(r.byte[0])
			return nil
		},
	}
}

func (p *Person) account(may scope) part {
	return part{
		what:  "account",
		texts: []string{`a.uuid`, `name`, `full_name`, `home`, `shell`, `group_uuid`},
		ints:  []string{`uid`, `state`, `valid_from`, `valid_until`, `revision`, may.may},
		from:  `accounts a WHERE uuid = (SELECT uuid FROM who)`, args: may.args,
		read: func(r *wideRow) error {
			p.Known, p.scoped = r.num(5) == 1, r.num(5) == 2
			p.Beyond = !p.Known && !p.scoped
			return p.Account.read(r)
		},
	}
}

// ofWho joins a table of what accounts hold.
const ofWho = ` WHERE account_uuid = (SELECT uuid FROM who)`

func (p *Person) holdings() []part {
	return []part{{
		what: "password", texts: []string{`phc`}, ints: []string{`epoch`, `must_change`, `made`}, from: `passwords` + ofWho,
		read: func(r *wideRow) error {
			p.Password = &Password{PHC: r.str(0), Epoch: r.big(0), MustChange: r.is(1), made: r.num(2)}
			return nil
		},
	}, {
		what: "totp", texts: []string{`label`}, bytes: []string{`sealed`}, ints: []string{`epoch`, `last_step`}, from: `totps` + ofWho,
		read: func(r *wideRow) error {
			p.TOTP = &TOTP{Sealed: bytes.Clone(r.byte[0]), Label: r.str(0), Epoch: r.big(0), LastStep: r.num(1)}
			return nil
		},
	}, {
		what: "card", texts: []string{`label`, `serial`}, bytes: []string{`fingerprint`, `public_key`, `certificate`},
		ints: []string{`epoch`, `attested`, `revoked`}, from: `cards` + ofWho,
		read: func(r *wideRow) error {
			c := Card{
				Fingerprint: bytes.Clone(r.byte[0]), PublicKey: bytes.Clone(r.byte[1]), Certificate: bytes.Clone(r.byte[2]),
				Label: r.str(0), Serial: r.str(1), Epoch: r.big(0), Attested: r.is(1), Revoked: r.num(2) > 0,
			}
			if p.revoked == nil {
				p.revoked = make(map[string]int64)
			}
			p.revoked[string(c.Fingerprint)] = r.num(2)
			p.Cards = append(p.Cards, c)
			return nil
		},
	}, {
		what: "backup", ints: []string{`epoch`, `(SELECT COUNT(*) FROM backup_codes c WHERE c.account_uuid = backup_sets.account_uuid)`},
		from: `backup_sets` + ofWho,
		read: func(r *wideRow) error {
			p.BackupCodes = &BackupCodes{Epoch: r.big(0), Left: int(r.num(1))}
			return nil
		},
	}}
}

// tokenParts are what only a token says.
func (t *Tx) tokenParts(p *Person) []part {
	return []part{{
		what: "group", texts: []string{`uuid`, `name`, `demands`}, ints: []string{`gid`, `points`, `earned`}, from: `groups WHERE uuid IN (SELECT id FROM up)`,
		read: func(r *wideRow) error {
			g := identity.Group{Name: identity.Name(r.str(1)), GID: r.small(0), Points: r.points(1), Earned: r.is(2)}
			for _, k := range strings.Fields(r.str(2)) {
				g.Demands = append(g.Demands, identity.FactorKind(k))
			}
			var err error
			g.UUID, err = r.id(0)
			p.Groups = append(p.Groups, g)
			return err
		},
	}, {
		what: "key", texts: []string{`tag`, `line`}, from: `ssh_keys` + ofWho,
		read: func(r *wideRow) error {
			p.SSHKeys = append(p.SSHKeys, identity.SSHKey{Tag: r.str(0), Line: r.str(1)})
			return nil
		},
	}}
}

// Factors are the public halves of what the account holds.
func (p *Person) Factors() []identity.Factor {
	var list []identity.Factor
	if w := p.Password; w != nil {
		list = append(list, identity.Factor{Kind: identity.Password, Epoch: w.Epoch, ChangeBy: w.ChangeBy})
	}
	if o := p.TOTP; o != nil {
		list = append(list, identity.Factor{Kind: identity.TOTP, Epoch: o.Epoch, Label: o.Label})
	}
	for _, c := range p.Cards {
		if !c.Revoked {
			list = append(list, identity.Factor{Kind: identity.PIV, Epoch: c.Epoch, Label: c.Label, Certificate: c.Certificate})
		}
	}
	if b := p.BackupCodes; b != nil {
		list = append(list, identity.Factor{Kind: identity.BackupCode, Epoch: b.Epoch, Label: b.Label()})
	}
	return list
}

// RevokedCards are the fingerprints of the cards that were revoked last.
func (p *Person) RevokedCards() [][]byte {
	var list [][]byte
	for _, c := range p.Cards {
		if c.Revoked && len(list) < identity.MaxRevoked {
			list = append(list, c.Fingerprint)
		}
	}
	return list
}
