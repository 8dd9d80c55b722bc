package admin

import (
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// setConsole says whether the console is served, and whether the server may hold keys to
// verify people with. Where it may not any more, it has none from then on.
func (s *Admin) setConsole(tx *store.Tx, req *v1.SetRealmRequest, actor string) error {
	if req.Console == nil && req.VerifyServerKeys == nil {
		return nil
	}
	set, err := tx.ConsoleSettings()
	if err != nil {
		return err
	}
	if req.Console != nil {
		set.On = req.GetConsole()
	}
	if req.VerifyServerKeys != nil {
		set.ServerKeys = req.GetVerifyServerKeys()
	}
	if err := tx.SetConsoleSettings(set); err != nil || set.ServerKeys {
		return err
	}
	owners, err := tx.EndHeldVerifyKeys()
	if err != nil {
		return err
	}
	for _, a := range owners {
		row := store.Entry{Time: s.Now(), Actor: actor, Action: "verify.remove", Subject: string(a.Name), Detail: "server-held"}
		if err := tx.Record(row); err != nil {
			return err
		}
	}
	return nil
}
