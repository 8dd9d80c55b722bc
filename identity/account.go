package identity

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// State says whether an account may be used at all. The zero value is unknown,
// which is refused like [Disabled].
type State uint8

// The states of an account.
const (
	StateUnknown State = iota
	Active
	Disabled
)

// String gives the word used in JSON and in messages.
func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case Disabled:
		return "disabled"
	default:
		return "unknown"
	}
}

// Account is a person or a service with POSIX attributes. UUID is who it is;
// Name and UID may be shown and compared, but only UUID identifies.
type Account struct {
	UUID     uuid.UUID `cbor:"1,keyasint"`
	Name     Name      `cbor:"2,keyasint"`
	UID      uint32    `cbor:"3,keyasint"`
	GID      uint32    `cbor:"4,keyasint"`
	FullName string    `cbor:"5,keyasint,omitempty"`
	Home     string    `cbor:"6,keyasint"`
	Shell    string    `cbor:"7,keyasint"`
}

// Group is a POSIX group as one account's token names it. Groups are matched by
// UUID, never by name.
type Group struct {
	UUID uuid.UUID `cbor:"1,keyasint"`
	Name Name      `cbor:"2,keyasint"`
	GID  uint32    `cbor:"3,keyasint"`
	// Demands are the factors that a session must have proved to count as a
	// member, and Points how much they must come to in the realm's table. Neither
	// means that any successful authentication does.
	Demands []FactorKind `cbor:"4,keyasint,omitempty"`
	Points  uint16       `cbor:"5,keyasint,omitempty"`
	// Earned marks a group whose members are not told to programs: a session that
	// proved its strength gets the gid, and no other does.
	Earned bool `cbor:"6,keyasint,omitempty"`
}

// SSHKey is one public key in the form of authorized_keys(5).
type SSHKey struct {
	// Tag is the label under which the key was added, unique for the account.
	Tag string `cbor:"1,keyasint"`
	// Line is "type base64", or that with options before it, and without a comment.
	Line string `cbor:"2,keyasint"`
}

// Limits of an ID token. A token beyond them is refused whole.
const (
	MaxGroups  = 4096
	MaxSSHKeys = 256
	MaxFactors = 64
	MaxText    = 1024 // bytes of a full name, home directory or shell
	MaxKeyLine = 16 << 10
	MaxRevoked = 64 // revoked cards
)

// Never is the ValidUntil of an account without an end: 9999-12-31T23:59:59Z.
// Zero is not "for ever", it is the past.
const Never int64 = 253402300799

// IDToken is all that a machine may know of one account, and enough to decide
// with. It is CBOR (RFC 8949, core deterministic encoding) inside a COSE_Sign1
// (RFC 9052) made by the realm. Times are Unix seconds.
type IDToken struct {
	Realm   string   `cbor:"1,keyasint"`
	Account Account  `cbor:"2,keyasint"`
	State   State    `cbor:"3,keyasint"`
	Groups  []Group  `cbor:"4,keyasint"` // Groups[0] is the account's own group
	SSHKeys []SSHKey `cbor:"5,keyasint,omitempty"`
	Factors []Factor `cbor:"6,keyasint,omitempty"`
	// ValidFrom and ValidUntil bound the account's life, both inclusive.
	ValidFrom  int64 `cbor:"7,keyasint"`
	ValidUntil int64 `cbor:"8,keyasint"`
	IssuedAt   int64 `cbor:"9,keyasint"`
	// OfflineFor is for how many seconds after the last contact a machine may
	// authenticate from what it remembers. Zero means not at all.
	OfflineFor uint32 `cbor:"10,keyasint"`
	// Revision grows with every change of the account within its realm. Within one
	// history, a machine replaces a token with one of a lower revision only when the
	// whole list says so.
	Revision uint64 `cbor:"11,keyasint"`
	// Points is what each kind of factor counts in this realm.
	Points Points `cbor:"12,keyasint,omitempty"`
	// RevokedCards are certificates that were once in Factors and count no more, by
	// their SHA-256: only so that a card can be told from a stranger's.
	RevokedCards [][]byte `cbor:"13,keyasint,omitempty"`
	// History is the one of the realm's histories that the token was issued in; the
	// zero value is that of a server that keeps none.
	History uuid.UUID `cbor:"14,keyasint,omitzero"`
	// LeftOut are parts that broke a rule, see [IDToken.MakeSafe]. A realm signs none;
	// a machine that makes a token of what another kind of server said does.
	LeftOut []LeftOut `cbor:"15,keyasint,omitempty"`
	// OnlyReads tells that a server that only reads signed it, which may be behind. It is
	// not in the token; the [Keyring] says it.
	OnlyReads bool `cbor:"-"`
}

// ErrToken says that a token is not well formed, not signed by the realm, or
// not meant for this use.
var ErrToken = errors.New("token refused")

// Validate checks every rule that a token must keep wherever it came from:
// names, ids, texts, limits, and that the first group is the account's own.
func (t *IDToken) Validate() error {
	if err := t.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return nil
}

func (t *IDToken) validate() error {
	if err := checkRealm(t.Realm); err != nil {
		return err
	}
	if t.State != Active && t.State != Disabled {
		return fmt.Errorf("state %d", t.State)
	}
	if len(t.LeftOut) > MaxLeftOut {
		return fmt.Errorf("%d parts left out", len(t.LeftOut))
	}
	if len(t.Groups) == 0 || len(t.Groups) > MaxGroups || len(t.SSHKeys) > MaxSSHKeys || len(t.Factors) > MaxFactors {
		return fmt.Errorf("%d groups, %d keys, %d factors", len(t.Groups), len(t.SSHKeys), len(t.Factors))
	}
	if err := errors.Join(t.Account.validate(), ownName(t.Realm, t.Account.Name)); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	for i, g := range t.Groups {
		if err := errors.Join(g.validate(), ownName(t.Realm, g.Name)); err != nil {
			return fmt.Errorf("group %d: %w", i, err)
		}
	}
	if t.Groups[0].GID != t.Account.GID {
		return errors.New("the first group is not the account's own")
	}
	if err := t.checkFactors(); err != nil {
		return err
	}
	for i, k := range t.SSHKeys {
		if err := k.Validate(); err != nil {
			return fmt.Errorf("ssh key %d: %w", i, err)
		}
	}
	return nil
}

// ownName refuses a name that is qualified with another realm than the token's.
func ownName(realm string, n Name) error {
	if r := n.Realm(); r != "" && r != FoldName(realm) {
		return fmt.Errorf("%w: %q is a name of the realm %q, and this is %q", ErrName, string(n), r, realm)
	}
	return nil
}

func checkRealm(realm string) error {
	if realm == "" {
		return errors.New("no realm")
	}
	if err := CheckText(realm, MaxText); err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	return nil
}

func (t *IDToken) checkFactors() error {
	for i := range t.Factors {
		if err := t.Factors[i].validate(); err != nil {
			return fmt.Errorf("factor %d: %w", i, err)
		}
	}
	if len(t.RevokedCards) > MaxRevoked {
		return fmt.Errorf("%d revoked cards", len(t.RevokedCards))
	}
	return t.Points.validate()
}

func (a *Account) validate() error {
	if a.UUID == uuid.Nil {
		return errors.New("no uuid")
	}
	if _, err := ParseName(string(a.Name)); err != nil {
		return err
	}
	if err := errors.Join(CheckID(a.UID), CheckID(a.GID)); err != nil {
		return err
	}
	if err := CheckText(a.FullName, MaxText); err != nil {
		return fmt.Errorf("full name: %w", err)
	}
	for what, p := range map[string]string{"home": a.Home, "shell": a.Shell} {
		if err := checkPath(p); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// CheckEntry refuses what may not stand in an entry of passwd(5): a name, an id or
// a text that breaks its rule. It asks for no uuid, which programs never see, and
// for no form of path.
func (a *Account) CheckEntry() error {
	_, err := ParseName(string(a.Name))
	return errors.Join(
		err, CheckID(a.UID), CheckID(a.GID),
		CheckText(a.FullName, MaxText), CheckText(a.Home, MaxText), CheckText(a.Shell, MaxText),
	)
}

func (g *Group) validate() error {
	if g.UUID == uuid.Nil {
		return errors.New("no uuid")
	}
	if _, err := ParseName(string(g.Name)); err != nil {
		return err
	}
	return CheckID(g.GID)
}

// Validate refuses a line that is not a key as it is stored: see [ParseKeyLine].
func (k SSHKey) Validate() error {
	if err := CheckText(k.Tag, MaxText); err != nil {
		return fmt.Errorf("tag: %w", err)
	}
	_, err := ParseKeyLine(k.Line)
	return err
}

// checkPath accepts a clean absolute path: no "..", no doubled or trailing '/'.
func checkPath(p string) error {
	if err := CheckText(p, MaxText); err != nil {
		return err
	}
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p {
		return fmt.Errorf("%q is not a clean absolute path", p)
	}
	return nil
}

// Standing is what an account's state and dates come to at one moment.
type Standing uint8

// The standings. The zero value allows nothing.
const (
	StandingUnknown Standing = iota
	Good
	StandingDisabled
	NotYetValid
	Expired
)

// StandingAt judges state and dates at the given time.
func (t *IDToken) StandingAt(now time.Time) Standing {
	switch u := now.Unix(); {
	case t.State == Disabled:
		return StandingDisabled
	case t.State != Active:
		return StandingUnknown
	case u < t.ValidFrom:
		return NotYetValid
	case u > t.ValidUntil:
		return Expired
	default:
		return Good
	}
}

// Held lists the kinds of the account's factors, each once.
func (t *IDToken) Held() []FactorKind { return Kinds(t.Factors) }

// FactorEpoch returns the epoch of the account's credential of that kind, and
// whether it has one. Of cards there may be several: use Factors for them.
func (t *IDToken) FactorEpoch(kind FactorKind) (uint64, bool) {
	for _, f := range t.Factors {
		if f.Kind == kind {
			return f.Epoch, true
		}
	}
	return 0, false
}

// GroupEntry is a group with those of its members that this machine knows, as
// group(5) lists them.
type GroupEntry struct {
	Group
	Members []Name
}
