package realm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// InitAnother makes the folder of another server for the realm that the database holds. It
// changes nothing in the database, and leaves no settings where seal.key is not the realm's.
func InitAnother(ctx context.Context, o InitOptions) error {
	if o.Database == "" {
		return errors.New("--seal-key is for another server of a realm in PostgreSQL: --database postgres://HOST/NAME is missing")
	}
	name := o.Realm
	o.Realm, o.IDs = "another", identity.DefaultIDRange // what the database says holds
	if err := o.check(); err != nil {
		return err
	}
	set, err := o.settings()
	if err != nil {
		return err
	}
	d, held, err := o.folder()
	if err != nil {
		return err
	}
	seal, err := os.ReadFile(o.SealKey)
	if err == nil {
		err = WriteNew(d.sealKey(), seal)
		clear(seal)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy the seal key: %w", err), held.Close())
	}
	r, err := openHeld(ctx, d, set, held, slog.New(slog.DiscardHandler), time.Now)
	if err == nil && name != "" && name != r.Name {
		err = fmt.Errorf("the database holds the realm %q, not %q", r.Name, name)
	}
	if errors.Is(err, identity.ErrNotFound) {
		err = fmt.Errorf("%w: does the database hold a realm? The first server is made without --seal-key", err)
	}
	if err == nil {
		err = d.keep(set)
	}
	if r != nil {
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		err = errors.Join(err, os.Remove(d.sealKey()))
	}
	return err
}
