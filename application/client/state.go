package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/google/renameio/v2"

	"github.com/sallyport-auth/sallyport/application/message"
)

// The files that are shipped with an application.
const (
	ApplicationKey = "application.key"
	RealmKey       = "realm.pub"
)

// The files of an instance.
const (
	stateFile   = "instance.json"
	instanceKey = "instance.key"
	personFile  = "person-%s.key"
)

// state is what an instance remembers beside its keys.
type state struct {
	Server string `json:"server"`
	Realm  string `json:"realm"`
	// Instance is the fingerprint of its key.
	Instance string `json:"instance"`
	// People are the fingerprints of the keys of accounts.
	People map[string]string `json:"people"`
}

// Status is what an instance is, for people.
type Status struct {
	Server   string   `json:"server"`
	Realm    string   `json:"realm"`
	Instance string   `json:"instance"`
	RealmKey string   `json:"realm_key"`
	People   []string `json:"people"`
}

var errNone = errors.New("there is no instance here: \"sallyport app init\" makes one")

func (c *Client) file(name string) string { return filepath.Join(c.Folder, name) }

// write writes a file that nobody but its owner can read, all or nothing.
func (c *Client) write(name string, b []byte) error {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	if err := renameio.WriteFile(c.file(name), b, 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

func (c *Client) writeState(s state) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keep %s: %w", stateFile, err)
	}
	return c.write(stateFile, append(b, '\n'))
}

// load reads the instance and its keys.
func (c *Client) load() (s state, realm message.Key, me party, err error) {
	b, err := os.ReadFile(c.file(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, realm, me, errNone
	}
	if err != nil {
		return s, realm, me, fmt.Errorf("the instance: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, realm, me, fmt.Errorf("%s: %w", c.file(stateFile), err)
	}
	if realm, err = c.public(c.file(RealmKey)); err != nil {
		return s, realm, me, err
	}
	me.key, err = c.private(c.file(instanceKey), nil)
	me.Party = message.Party{Kind: message.Instance, Key: s.Instance}
	return s, realm, me, err
}

func (c *Client) public(file string) (message.Key, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return message.Key{}, fmt.Errorf("the realm's key: %w", err)
	}
	k, err := message.ParsePublic(b, c.Now())
	if err != nil {
		return k, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

func (c *Client) private(file string, passphrase []byte) (message.Key, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return message.Key{}, fmt.Errorf("a key of the instance: %w", err)
	}
	defer clear(b)
	k, err := message.ParsePrivate(b, passphrase, c.Now())
	if err != nil {
		return k, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

// Status tells what there is.
func (c *Client) Status() (Status, error) {
	s, realm, _, err := c.load()
	if err != nil {
		return Status{}, err
	}
	out := Status{Server: s.Server, Realm: s.Realm, Instance: s.Instance, RealmKey: realm.Fingerprint(), People: []string{}}
	for name := range s.People {
		out.People = append(out.People, name)
	}
	sort.Strings(out.People)
	return out, nil
}
