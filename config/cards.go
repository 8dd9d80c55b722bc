package config

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Cards says whether smartcards are used, through pcscd. Where there is none, there
// is simply no card.
type Cards struct {
	Enabled bool     `toml:"enabled"`
	Timeout Duration `toml:"timeout"`       // of one use of a card, without the touch
	Touch   Duration `toml:"touch_timeout"` // how long a key may wait to be touched
	Busy    Duration `toml:"busy_timeout"`  // how long a card that another program holds is tried again
	// Mutual authentication of card service and server, before a PIN is asked for.
	Mutual      Mutual `toml:"mutual"`       // default "off"
	MutualKey   string `toml:"mutual_key"`   // PEM (PKCS #8), mode 0600, owned by the daemon's user
	MutualRoots string `toml:"mutual_roots"` // PEM: who may certify a server for it
	MutualIndex uint32 `toml:"mutual_index"` // of the key's public half in the server's file
}

func (c *Cards) check() error {
	if c.Mutual.text == "" || c.Mutual.text == MutualOff {
		if c.MutualKey != "" || c.MutualRoots != "" || c.MutualIndex != 0 {
			return errors.New(`[cards] mutual_key, mutual_roots and mutual_index are for mutual = "online" or "always"`)
		}
		return nil
	}
	for _, f := range []struct{ name, path string }{{"mutual_key", c.MutualKey}, {"mutual_roots", c.MutualRoots}} {
		if !filepath.IsAbs(f.path) {
			return fmt.Errorf("[cards] %s: %q is not an absolute path", f.name, f.path)
		}
	}
	return nil
}
