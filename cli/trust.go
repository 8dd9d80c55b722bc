package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

// trusted is trust for programs.
type trusted struct {
	Realm string `json:"realm"`
	File  string `json:"file"`
}

// trust pins the realm key that a fingerprint names, on a machine that has joined
// already: after the realm's key was lost and made anew, or where no signing key that
// the machine knows vouches for the first one.
func trust(a *App, in *invocation) command.Action {
	fingerprint := in.String("fingerprint", "", "`SHA256` that \"sallyport-server keys show\" prints on the server")
	return func(ctx context.Context) error {
		if *fingerprint == "" {
			return command.Usage("trust takes --fingerprint, as \"sallyport-server keys show\" prints it on the server")
		}
		if os.Geteuid() != 0 {
			return fmt.Errorf("trust: %w: it writes below /etc", report.ErrForbidden)
		}
		path := *in.config
		if path == "" {
			path = config.DefaultPath
		}
		c, err := config.Load(path)
		if err != nil {
			return err //nolint:wrapcheck // it says which line of which file
		}
		for i := range c.Providers {
			p := &c.Providers[i]
			if !p.Kind.Joined() {
				continue
			}
			root, err := sallyport.Trust(ctx, sallyport.Server{URL: p.URL.String(), Others: p.URL.Others(), Proxy: p.Proxy.String()}, p.Realm, *fingerprint)
			if err != nil {
				return explainJoin(strings.Join(p.URL.All(), ", "), err)
			}
			if err := writeOwned(p.CA, root, 0o644, 0, 0); err != nil {
				return err
			}
			changed := changeOver(ctx, true)
			return a.show(in, trusted{Realm: p.Realm, File: p.CA}, func(w io.Writer) {
				fmt.Fprintf(w, "This machine trusts the key of realm %s from now on; it is in %s.\n%s\n", p.Realm, p.CA, changed)
			})
		}
		return fmt.Errorf("trust: %s names no realm with a Sallyport server", path)
	}
}
