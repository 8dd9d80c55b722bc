package trust

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/spelling"
)

const (
	// StaleAfter is how old what a partner told may be for its people to be verified.
	StaleAfter = 7 * 24 * time.Hour
	// ClockSkew is by how much the clocks of two realms may differ.
	ClockSkew = 5 * time.Minute
	// maxURLs is how many servers of a partner are asked.
	maxURLs = 8
)

// Wanted is a realm that is to be a partner.
type Wanted struct {
	Realm       string
	URLs        []string
	Fingerprint string
	LooksAlike  bool // the administrator knows that it does
}

// Check refuses what can never be.
func (w Wanted) check(own string) error {
	if err := identity.CheckText(w.Realm, identity.MaxRealmLen); err != nil || w.Realm == "" {
		return fmt.Errorf("%w: the name of a realm has 1 to %d bytes, and neither ':' nor control characters", realm.ErrInput, identity.MaxRealmLen)
	}
	if strings.EqualFold(w.Realm, own) {
		return fmt.Errorf("%w: %s is this realm itself", realm.ErrInput, w.Realm)
	}
	if len(w.URLs) == 0 || len(w.URLs) > maxURLs {
		return fmt.Errorf("%w: 1 to %d addresses of servers", realm.ErrInput, maxURLs)
	}
	for _, u := range w.URLs {
		if err := identity.CheckServerURL(u); err != nil || strings.ContainsAny(u, " \t\r\n") {
			return fmt.Errorf("%w: %q is not https://HOST or https://HOST:PORT", realm.ErrInput, u)
		}
	}
	return nil
}

// Add asks the servers of a realm, one after the other, until one answers, and makes the realm a
// partner if it gives the fingerprint. note is called in the same transaction.
func Add(ctx context.Context, r *realm.Realm, w Wanted, note func(tx *store.Tx, p store.Partner) error) (p store.Partner, err error) {
	if err := w.check(r.Name); err != nil {
		return p, err
	}
	fit := func(tx *store.Tx) error {
		list, err := tx.Partners()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(o store.Partner) bool { return strings.EqualFold(o.Realm, w.Realm) }) {
			return fmt.Errorf("%s %w: \"partner confirm\" is for another key of it", w.Realm, store.ErrExists)
		}
		if len(list) >= store.MaxPartners {
			return realm.RefusalError(fmt.Sprintf("a realm has at most %d partners", store.MaxPartners))
		}
		if alike := LooksLike(r, list, w.Realm, w.URLs); len(alike) > 0 && !w.LooksAlike {
			return realm.RefusalError(fmt.Sprintf("%s. If it is meant, give --looks-alike: people are told so each time", strings.Join(alike, "; ")))
		}
		return nil
	}
	if err := r.Store.Read(ctx, fit); err != nil {
		return p, err
	}
	pin, err := ask(ctx, w, r.Now())
	if err != nil {
		return p, err
	}
	p = store.Partner{ID: uuid.New(), Realm: w.Realm, URLs: w.URLs, Root: pin.root, Bundle: pin.bundle, Version: pin.list.Version, Added: r.Now()}
	return p, r.Store.Write(ctx, func(tx *store.Tx) error {
		if err := fit(tx); err != nil { // another administrator was first
			return err
		}
		return errors.Join(tx.AddPartner(p), note(tx, p))
	})
}

// ask looks at one server after the other. One that shows something wrong is an answer: the
// administrator has to look.
func ask(ctx context.Context, w Wanted, now time.Time) (*pinned, error) {
	var lost []error
	for _, u := range w.URLs {
		s, err := Look(ctx, u)
		if err != nil {
			lost = append(lost, err)
			continue
		}
		pin, err := s.by(w.Fingerprint, now)
		if err != nil {
			return nil, realm.RefusalError(fmt.Sprintf("%s: %v", u, err))
		}
		if pin.list.Realm != w.Realm {
			return nil, realm.RefusalError(fmt.Sprintf("the realm at %s is called %q, not %q", u, pin.list.Realm, w.Realm))
		}
		return pin, nil
	}
	return nil, realm.RefusalError(errors.Join(lost...).Error())
}

// Confirm trusts the realm as its server shows it now, if that gives the fingerprint, and ends
// every alarm about it.
func Confirm(ctx context.Context, r *realm.Realm, name, fingerprint string, note func(tx *store.Tx, p store.Partner) error) (p store.Partner, err error) {
	err = r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		p, err = tx.Partner(name)
		return err
	})
	if err != nil {
		return p, err
	}
	pin, err := ask(ctx, Wanted{Realm: p.Realm, URLs: p.URLs, Fingerprint: fingerprint}, r.Now())
	if err != nil {
		return p, err
	}
	return p, r.Store.Write(ctx, func(tx *store.Tx) error {
		now, err := tx.Partner(name)
		if err != nil {
			return err
		}
		if pin.root.Equal(now.Root) && pin.list.Version < now.Version {
			return realm.RefusalError("its server shows a key list that is older than the one that is known here")
		}
		alarms, err := tx.PartnerAlarms(now.ID)
		if err != nil {
			return err
		}
		for _, a := range alarms {
			if _, err := tx.EndPartnerAlarm(now.ID, a.Kind); err != nil {
				return err
			}
		}
		err = errors.Join(tx.PinPartner(now, pin.root, pin.bundle, pin.list.Version), tx.AskPartnerNow(now.ID), note(tx, now))
		if err == nil {
			p, err = tx.Partner(name)
		}
		return err
	})
}

// Host is where a partner is asked first, without the port: what people see as its domain.
func Host(urls []string) string {
	if len(urls) == 0 {
		return ""
	}
	u, err := url.Parse(urls[0])
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// NotUsableError is why people of a partner cannot be verified now, for people.
type NotUsableError string

func (e NotUsableError) Error() string { return string(e) }

// Usable is nil where both realms trust each other and what the partner told is fresh enough.
func Usable(p store.Partner, own string, now time.Time) error {
	fault := p.Fault
	if fault == "" {
		fault = "it was not asked since"
	}
	switch age := now.Sub(p.Reached); {
	case p.Refused:
		return NotUsableError(fmt.Sprintf("%s does not trust %s: its administrators make it a partner with \"sallyport-server partner add\"", p.Realm, own))
	case p.Reached.IsZero() && p.Fault == "":
		return NotUsableError(p.Realm + " has not told its people yet: that takes a few minutes after it was added")
	case p.Reached.IsZero():
		return NotUsableError(fmt.Sprintf("%s was never reached: %s", p.Realm, fault))
	case age > StaleAfter:
		return NotUsableError(fmt.Sprintf("%s was last reached %d days ago: %s", p.Realm, int(age/(24*time.Hour)), fault))
	}
	return nil
}

// LooksLike says what a realm's name and the hosts of its servers look like: names that this
// server knows, and letters that are not of ASCII. A partner is not compared with itself.
func LooksLike(r *realm.Realm, partners []store.Partner, name string, urls []string) (alike []string) {
	known := []string{r.Name, Host([]string{r.Settings.URL})}
	for _, p := range partners {
		if p.Realm != name {
			known = append(known, p.Realm, Host(p.URLs))
		}
	}
	names := []string{name}
	for _, u := range urls {
		names = append(names, Host([]string{u}))
	}
	for _, n := range names {
		if scripts := spelling.Scripts(n); len(scripts) > 0 {
			alike = append(alike, fmt.Sprintf("%q has letters that are not of ASCII: it reads %q, of %s", n, spelling.Decoded(n), strings.Join(scripts, ", ")))
		}
		for _, k := range known {
			if k != "" && spelling.Alike(n, k) {
				alike = append(alike, fmt.Sprintf("%q looks like %q", n, k))
			}
		}
	}
	return slices.Compact(alike)
}

// RealmsAlike are the names of realms that this server knows and that look like that of a
// partner.
func RealmsAlike(own string, partners []store.Partner, name string) (alike []string) {
	known := []string{own}
	for _, p := range partners {
		known = append(known, p.Realm)
	}
	for _, k := range known {
		if spelling.Alike(name, k) {
			alike = append(alike, k)
		}
	}
	return alike
}
