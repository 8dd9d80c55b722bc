package trust

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Kind is what an alarm is about. The table is in the package's documentation.
type Kind string

// The kinds.
const (
	KeyList      Kind = "key-list"
	RealmName    Kind = "realm-name"
	Clock        Kind = "clock"
	People       Kind = "people"
	RealmKey     Kind = "realm-key"
	Organisation Kind = "organisation"
	History      Kind = "history"
)

// Stays tells whether an alarm of the kind stays until an administrator confirms the partner.
// One that is not known here stays.
func (k Kind) Stays() bool {
	switch k {
	case KeyList, RealmName, Clock, People:
		return false
	default:
		return true
	}
}

// Alarms are those about one partner, in one transaction. What is new is written into the audit
// log there, and into the log once that is committed: see [Alarms.Log].
type Alarms struct {
	*realm.Realm
	Partner store.Partner
	news    []string
}

// Raise raises one, unless it says what it has said already.
func (a *Alarms) Raise(tx *store.Tx, kind Kind, text string) error {
	news, err := tx.RaisePartnerAlarm(a.Partner.ID, store.PartnerAlarm{Kind: string(kind), Text: text, Since: a.Now()})
	if err != nil || !news {
		return err
	}
	return a.note(tx, fmt.Sprintf("kind=%s %s", kind, text))
}

// End ends those that are over by themselves.
func (a *Alarms) End(tx *store.Tx, kinds ...Kind) error {
	for _, k := range kinds {
		was, err := tx.EndPartnerAlarm(a.Partner.ID, string(k))
		if err == nil && was {
			err = a.note(tx, fmt.Sprintf("kind=%s over", k))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Alarms) note(tx *store.Tx, detail string) error {
	a.news = append(a.news, detail)
	return tx.Record(store.Entry{Time: a.Now(), Actor: "server", Action: "partner.alarm", Subject: a.Partner.Realm, Detail: detail})
}

// Log writes what was new into the log.
func (a *Alarms) Log(ctx context.Context) {
	for _, n := range a.news {
		a.Realm.Log.WarnContext(ctx, "partner realm: \"sallyport-server partner show\" says what to do", "partner", a.Partner.Realm, "alarm", n)
	}
	a.news = nil
}
