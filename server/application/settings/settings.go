// Package settings is how applications of a realm are set: whether they are on, the realm's
// OpenPGP key, how far clocks may be apart, and which applications there are. It is apart from
// the service, which answers applications: administrators' commands read and change it. The
// private half of the realm's key leaves it unsealed only for the service.
package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits, and the values where nobody has set them.
const (
	minSkew, usualSkew, maxSkew       = 10, 120, 600
	minResult, usualResult, maxResult = 30, 300, 86400
	maxApplications                   = 1000
	maxKeepDays                       = 365
	maxName                           = 64
)

// InvitationLife is for how long a person may bind a key with an administrator's code.
const InvitationLife = 15 * time.Minute

// keyOf is no account's: what the realm's OpenPGP key is sealed for.
var keyOf = uuid.MustParse("6f706770-6170-4000-8000-000000000001") //nolint:gochecknoglobals // a constant

// Change is what an administrator sets; nil stays.
type Change struct {
	Enabled                    *bool
	SkewSeconds, ResultSeconds *uint32
	// SelfRegistration is the name of the group of who registers by themselves; "": nobody does.
	SelfRegistration *string
}

// Read reads them. Applications are off where nobody has switched them on.
func Read(tx *store.Tx) (store.ApplicationService, error) {
	set, err := tx.ApplicationService()
	if errors.Is(err, identity.ErrNotFound) {
		return store.ApplicationService{SkewSeconds: usualSkew, ResultSeconds: usualResult}, nil
	}
	return set, err
}

// Set changes them. The realm's key is made at the first change, and stays: applications are
// shipped with its public half.
func Set(tx *store.Tx, r *realm.Realm, c Change) (set store.ApplicationService, err error) {
	if set, err = Read(tx); err != nil {
		return set, err
	}
	if c.Enabled != nil {
		set.Enabled = *c.Enabled
	}
	for _, s := range []struct {
		to          *uint32
		from        *uint32
		least, most uint32
		what        string
	}{
		{&set.SkewSeconds, c.SkewSeconds, minSkew, maxSkew, "clocks may be %d to %d seconds apart"},
		{&set.ResultSeconds, c.ResultSeconds, minResult, maxResult, "a result waits for %d to %d seconds"},
	} {
		if s.from == nil {
			continue
		}
		if *s.from < s.least || *s.from > s.most {
			return set, fmt.Errorf("%w: "+s.what, realm.ErrInput, s.least, s.most)
		}
		*s.to = *s.from
	}
	if c.SelfRegistration != nil {
		if set.SelfGroup, err = selfGroup(tx, *c.SelfRegistration); err != nil {
			return set, err
		}
	}
	if set.Sealed == nil {
		if err := newKey(r, &set); err != nil {
			return set, err
		}
	}
	return set, tx.SetApplicationService(set)
}

func selfGroup(tx *store.Tx, name string) (uuid.UUID, error) {
	if name == "" {
		return uuid.Nil, nil
	}
	g, err := tx.GroupByName(identity.Name(name))
	if errors.Is(err, identity.ErrNotFound) {
		err = fmt.Errorf("%w: there is no group %q for who registers by themselves; \"group add\" makes one", realm.ErrInput, name)
	}
	if err == nil && g.Earned {
		err = fmt.Errorf("%w: the group %s is earned by a login, and nobody logs in to register; name another group", realm.ErrInput, g.Name)
	}
	return g.UUID, err
}

func newKey(r *realm.Realm, set *store.ApplicationService) error {
	k, err := message.NewKey("realm "+r.Name, r.Now())
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	defer k.Wipe()
	if set.PublicKey, err = k.Public(); err != nil {
		return err //nolint:wrapcheck // likewise
	}
	private, err := k.Private()
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	secret := identity.NewSecret(private)
	defer secret.Wipe()
	set.Sealed = r.Box.Seal(keyOf, secret)
	return nil
}

// Rotate makes a new key. The one before is good for so many days more: applications are to be
// shipped anew until then. With none it ends at once, as when it was stolen.
func Rotate(tx *store.Tx, r *realm.Realm, keepDays uint32) (store.ApplicationService, error) {
	set, err := On(tx)
	if err != nil {
		return set, err
	}
	if keepDays > maxKeepDays {
		return set, fmt.Errorf("%w: the key before is good for %d days at most", realm.ErrInput, maxKeepDays)
	}
	before := set.Sealed
	set.Previous, set.PreviousUntil = nil, time.Time{}
	if keepDays > 0 {
		set.Previous, set.PreviousUntil = before, r.Now().Add(time.Duration(keepDays)*24*time.Hour)
	}
	if err := newKey(r, &set); err != nil {
		return set, err
	}
	return set, tx.SetApplicationService(set)
}

// Keys are the realm's OpenPGP keys that are good now, sealed: that which applications are
// shipped with first.
func Keys(set store.ApplicationService, now time.Time) [][]byte {
	if len(set.Previous) > 0 && now.Before(set.PreviousUntil) {
		return [][]byte{set.Sealed, set.Previous}
	}
	return [][]byte{set.Sealed}
}

// Key opens one of the realm's OpenPGP keys.
func Key(r *realm.Realm, sealed []byte) (message.Key, error) {
	secret, err := r.Box.Open(keyOf, sealed)
	if err != nil {
		return message.Key{}, fmt.Errorf("the realm's OpenPGP key: %w", err)
	}
	defer secret.Wipe()
	k, err := message.ParsePrivate(secret.Reveal(), nil, r.Now())
	if err != nil {
		return k, fmt.Errorf("the realm's OpenPGP key: %w", err)
	}
	return k, nil
}

// PublicKey is its public half.
func PublicKey(r *realm.Realm, set store.ApplicationService) (message.Key, error) {
	k, err := message.ParsePublic(set.PublicKey, r.Now())
	if err != nil {
		return k, fmt.Errorf("the realm's OpenPGP key: %w", err)
	}
	return k, nil
}

var errOff = fmt.Errorf("%w: applications are off: \"sallyport-server application set --enabled yes\" turns them on", realm.ErrInput)

// On is an error where they are off.
func On(tx *store.Tx) (store.ApplicationService, error) {
	set, err := Read(tx)
	if err == nil && !set.Enabled {
		err = errOff
	}
	return set, err
}

// Add registers an application. Its key is returned whole: only the public half is stored.
func Add(tx *store.Tx, r *realm.Realm, name string) (a store.Application, k message.Key, err error) {
	if _, err := On(tx); err != nil {
		return a, k, err
	}
	if !IsWord(name) {
		return a, k, fmt.Errorf("%w: an application's name is 1 to %d small letters, digits, dots, dashes and underscores, and begins with a letter or a digit", realm.ErrInput, maxName)
	}
	list, err := tx.Applications()
	if err != nil {
		return a, k, err
	}
	if len(list) >= maxApplications {
		return a, k, fmt.Errorf("%w: a realm has %d applications at most", realm.ErrInput, maxApplications)
	}
	if k, err = message.NewKey("application "+name, r.Now()); err != nil {
		return a, k, err //nolint:wrapcheck // it says what it is about
	}
	a = store.Application{Name: name, Fingerprint: k.Fingerprint(), Created: r.Now()}
	if a.PublicKey, err = k.Public(); err != nil {
		return a, k, err //nolint:wrapcheck // likewise
	}
	a, err = tx.AddApplication(a)
	return a, k, err
}

// IsWord tells whether that can name an application, or a space of resources.
func IsWord(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= maxName && strings.Trim(s, letters+".-_") == "" && strings.ContainsRune(letters, rune(s[0]))
}

// operations are the letters by which grants name what may be done, in their order.
var operations = []struct { //nolint:gochecknoglobals // a constant
	letter string
	name   message.Purpose
}{{"c", message.Create}, {"r", message.Read}, {"u", message.Update}, {"d", message.Delete}}

// Letters are those of operations, as grants are stored.
func Letters(names []string) (string, error) {
	var letters string
	for _, o := range operations {
		if slices.Contains(names, string(o.name)) {
			letters += o.letter
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(Operations("crud"), func(k string) bool { return k == n }) {
			return "", fmt.Errorf("%w: %q is none of create, read, update, delete", realm.ErrInput, n)
		}
	}
	if letters == "" {
		return "", fmt.Errorf("%w: no operation is named: create, read, update, delete", realm.ErrInput)
	}
	return letters, nil
}

// Operations are the names of letters.
func Operations(letters string) (names []string) {
	for _, o := range operations {
		if strings.Contains(letters, o.letter) {
			names = append(names, string(o.name))
		}
	}
	return names
}

// Granted tells whether those letters have that operation.
func Granted(letters string, operation message.Purpose) bool {
	return slices.Contains(Operations(letters), string(operation))
}
