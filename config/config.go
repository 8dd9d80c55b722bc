// Package config reads sallyportd.toml, the one configuration file of a
// workstation, and writes the first one when a machine joins.
//
// It promises that what [Load] returns has no unknown key and no value out of
// its range: a fault is an [Error] that names file, line and column. It reads
// the named file and nothing else: no environment, no current folder, no
// include. The manual page is sallyportd.toml(5).
package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pelletier/go-toml/v2"

	"github.com/sallyport-auth/sallyport/identity"
)

// DefaultPath is where the daemon and the CLI look.
const DefaultPath = "/etc/sallyport/sallyportd.toml"

// Config is the whole file. Every field has a default but [Config.Providers] and
// [Config.Machine]; see [Defaults].
type Config struct {
	Machine   Machine    `toml:"machine"`
	Providers []Provider `toml:"provider"`
	Login     Login      `toml:"login"`
	IDs       IDs        `toml:"ids"`
	Names     Names      `toml:"names"`
	Offline   Offline    `toml:"offline"`
	Lookup    Lookup     `toml:"lookup"`
	PAM       PAM        `toml:"pam"`
	Metrics   Metrics    `toml:"metrics"`
	Directory Directory  `toml:"directory"`
	Groups    Groups     `toml:"groups"`
	SubIDs    SubIDs     `toml:"subids"`
	Seal      Seal       `toml:"seal"`
	Cards     Cards      `toml:"cards"`
	// Service holds policies of PAM services; [Config.Services] adds the defaults.
	Service map[string]Service `toml:"service"`
	Paths   Paths              `toml:"paths"`
	Log     Log                `toml:"log"`
}

// Machine is who this machine is to its server.
type Machine struct {
	ID  uuid.UUID `toml:"id"`
	Key string    `toml:"key"` // PEM (PKCS #8), mode 0600, owned by the daemon's user
}

// Login says who may log in here.
type Login struct {
	// Allow holds "*" (every account of the realm) or uuids of groups. Empty
	// allows nobody.
	Allow []Allow `toml:"allow"`
	// FailDelay is how long a host program waits after a refusal.
	FailDelay Duration `toml:"fail_delay"`
	// RemoteReasons tells people at other hosts why they are refused before they have
	// proved anything.
	RemoteReasons bool `toml:"remote_reasons"`
}

// IDs says which user and group ids are taken from a directory.
type IDs struct {
	Allow []Range `toml:"allow"`
}

// Names says which names are taken from a directory.
type Names struct {
	// Reserved are names that no account and no group of a realm may have here, besides
	// those of identity.ReservedName.
	Reserved []string `toml:"reserved"`
}

// Offline bounds what may be done without the server.
type Offline struct {
	MaxAge Duration `toml:"max_age"` // since the last contact; the realm's own limit holds too
	Tries  int      `toml:"tries"`   // wrong passwords before a lock
}

// Lookup bounds directory lookups that miss. The C module waits 5 s; the default
// Timeout is below that, so that "cannot tell" comes before the caller gives up.
type Lookup struct {
	Timeout Duration `toml:"timeout"`
	Refresh Duration `toml:"refresh"` // age after which an entry is fetched anew in the background
}

// PAM bounds conversations.
type PAM struct {
	PromptTimeout Duration `toml:"prompt_timeout"`
}

// Metrics says where monitoring is answered.
type Metrics struct {
	// Listen is an address of package metrics; "": nowhere.
	Listen string `toml:"listen"`
}

// Directory says how names are answered.
type Directory struct {
	Keep    Keep `toml:"keep"`    // how long after the last contact
	Aliases bool `toml:"aliases"` // upper case and name@realm find the account too
}

// Groups gives members of the realm's groups groups of this machine.
type Groups struct {
	// Local names groups of /etc/group and, by uuid, the group of the realm whose
	// members are to have them.
	Local map[string]GroupID `toml:"local"`
}

// SubIDs says where subordinate ids are given out.
type SubIDs struct {
	Range SubRange `toml:"range"`
}

// Seal says what binds secrets to this machine.
type Seal struct {
	Kind   SealKind `toml:"kind"`
	Device string   `toml:"device"` // of the TPM
}

// Paths says where things lie.
type Paths struct {
	State string `toml:"state"` // database and keys; the daemon's own, mode 0700
	Run   string `toml:"run"`   // sockets; mode 0755
	// Directory is the folder of the file that programs read names from, mode 0755.
	// Programs look in the default only.
	Directory string `toml:"directory"`
}

// Log says what is written to standard error, which systemd keeps.
type Log struct {
	Level Level `toml:"level"`
}

// Defaults returns the configuration before a file is read.
func Defaults() Config {
	return Config{
		Login:     Login{FailDelay: Duration(2 * time.Second)},
		Offline:   Offline{MaxAge: Duration(14 * 24 * time.Hour), Tries: 5},
		Lookup:    Lookup{Timeout: Duration(4500 * time.Millisecond), Refresh: Duration(15 * time.Minute)},
		PAM:       PAM{PromptTimeout: Duration(5 * time.Minute)},
		Paths:     Paths{State: "/var/lib/sallyport", Run: "/run/sallyport", Directory: "/var/cache/sallyport"},
		Directory: Directory{Aliases: true},
		SubIDs:    SubIDs{Range: SubRange(identity.SubIDRange)},
		Seal:      Seal{Kind: SealKind{"auto"}, Device: "/dev/tpmrm0"},
		Cards:     Cards{Enabled: true, Timeout: Duration(10 * time.Second), Touch: Duration(15 * time.Second), Busy: Duration(2 * time.Second)},
	}
}

// defaultTimeout is a provider's own, when the file names none.
const defaultTimeout = Duration(4 * time.Second)

// Error is a fault in the file. Line and Column count from 1; 0 means that the
// fault is in no one place.
type Error struct {
	Path         string
	Line, Column int
	Reason       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Reason)
}

// Load reads and checks the file at path.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text)
}

// Parse checks text; path is only for messages.
func Parse(path string, text []byte) (*Config, error) {
	c := Defaults()
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, place(path, err)
	}
	if err := c.complete(); err != nil {
		return nil, &Error{Path: path, Reason: err.Error()}
	}
	return &c, nil
}

// place turns go-toml's errors into ours.
func place(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		row, col := first.Position()
		key := strings.Join(first.Key(), ".")
		reason := fmt.Sprintf("unknown key %q", key)
		if near := nearest(first.Key()); near != "" {
			reason += fmt.Sprintf("; did you mean %q?", near)
		}
		return &Error{Path: path, Line: row, Column: col, Reason: reason}
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, col := bad.Position()
		return &Error{Path: path, Line: row, Column: col, Reason: strings.TrimPrefix(bad.Error(), "toml: ")}
	}
	return &Error{Path: path, Reason: strings.TrimPrefix(err.Error(), "toml: ")}
}

// complete checks what no single value can tell.
func (c *Config) complete() error {
	switch {
	case c.Machine.ID == uuid.Nil:
		return errors.New(`[machine] id is missing: has this machine joined? See "sallyport join"`)
	case c.Machine.Key == "":
		c.Machine.Key = filepath.Join(c.Paths.State, "machine.key")
	}
	if err := c.completeProviders(); err != nil {
		return err
	}
	if c.Offline.Tries < 1 {
		return errors.New("[offline] tries must be at least 1; there is no unlimited")
	}
	for _, d := range []struct {
		name string
		d    Duration
	}{
		{"[lookup] timeout", c.Lookup.Timeout},
		{"[lookup] refresh", c.Lookup.Refresh},
		{"[pam] prompt_timeout", c.PAM.PromptTimeout},
		{"[cards] timeout", c.Cards.Timeout},
		{"[cards] touch_timeout", c.Cards.Touch},
		{"[cards] busy_timeout", c.Cards.Busy},
	} {
		if d.d <= 0 {
			return fmt.Errorf("%s must be above zero", d.name)
		}
	}
	for _, n := range c.Names.Reserved {
		if _, err := identity.ParseShortName(n); err != nil {
			return fmt.Errorf("[names] reserved: %q: %w", n, err)
		}
	}
	if err := c.Groups.check(); err != nil {
		return err
	}
	if err := c.checkGroups(); err != nil {
		return err
	}
	if err := c.Cards.check(); err != nil {
		return err
	}
	if err := checkServices(c.Service); err != nil {
		return err
	}
	for _, p := range []string{c.Paths.State, c.Paths.Run, c.Paths.Directory, c.Machine.Key, c.Seal.Device} {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("%q is not an absolute path", p)
		}
	}
	return nil
}

// check refuses what could never be meant. Whether the groups exist is seen at
// run time: they may come later.
func (g Groups) check() error {
	if len(g.Local) > identity.MaxLocalGroups {
		return fmt.Errorf("[groups] local names %d groups, at most %d", len(g.Local), identity.MaxLocalGroups)
	}
	for _, name := range slices.Sorted(maps.Keys(g.Local)) {
		switch {
		case name == "root":
			return errors.New("[groups] local: nobody is given the group root")
		case name == "" || strings.ContainsAny(name, ":, \t\n"):
			return fmt.Errorf("[groups] local: %q cannot be a group of /etc/group", name)
		}
	}
	return nil
}
