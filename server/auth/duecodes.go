package auth

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// maxDueCodes bounds the logins whose code counts for a change at a time.
const maxDueCodes = 4096

// dueCodes are the logins, each by a password that is due and a one-time code, whose
// change of password takes no second code: on that client, of that very password and
// that very secret, once, and as long as the session may take. They live in memory: after
// a restart a code is asked for.
type dueCodes struct {
	mu   sync.Mutex
	kept map[dueLogin]dueCode
}

type dueLogin struct{ client, account uuid.UUID }

type dueCode struct {
	password, totp uint64 // epochs
	until          time.Time
}

// put remembers a session that has come to an allow.
func (d *dueCodes) put(s *session, now time.Time) {
	c, who := dueCode{until: now.Add(dueSessionLife)}, dueLogin{client: s.client.id}
	for _, p := range s.proved {
		who.account = p.account
		switch p.kind {
		case identity.Password:
			c.password = p.epoch
		case identity.TOTP:
			c.totp = p.epoch
		default:
		}
	}
	if !s.due || c.password == 0 || c.totp == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.kept, func(_ dueLogin, o dueCode) bool { return !now.Before(o.until) })
	if d.kept == nil {
		d.kept = make(map[dueLogin]dueCode)
	}
	if len(d.kept) < maxDueCodes {
		d.kept[who] = c
	}
}

// counts tells whether the account's code was proved for this change.
func (d *dueCodes) counts(f *facts, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.kept[dueLogin{f.client, f.account.UUID}]
	held, hasTOTP := f.totp()
	return ok && hasTOTP && now.Before(c.until) && c.password == f.password().Epoch && c.totp == held.Epoch
}

func (d *dueCodes) forget(client, account uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, dueLogin{client, account})
}
