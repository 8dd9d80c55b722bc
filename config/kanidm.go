package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// KanidmSettings are what the file says of a Kanidm server alone, which tells none of it.
type KanidmSettings struct {
	SignIn     SignIn   `toml:"sign_in"`     // default "posix"
	Token      string   `toml:"token"`       // file of a service account's API token; none: anonymous
	HomePrefix string   `toml:"home_prefix"` // default "/home/"
	HomeName   HomeName `toml:"home_name"`   // what follows it; default "uuid"
	Shell      string   `toml:"shell"`       // of accounts that name none; default /bin/sh
	UserName   NameForm `toml:"user_name"`   // default "name"
	GroupName  NameForm `toml:"group_name"`  // default "name"
}

// firstOf names the first setting that the file has; "" for none.
func firstOf(k *KanidmSettings) string {
	for _, s := range [...]struct{ name, value string }{
		{"sign_in", k.SignIn.String()},
		{"token", k.Token},
		{"home_prefix", k.HomePrefix},
		{"home_name", k.HomeName.String()},
		{"shell", k.Shell},
		{"user_name", k.UserName.String()},
		{"group_name", k.GroupName.String()},
	} {
		if s.value != "" {
			return s.name
		}
	}
	return ""
}

func (k *KanidmSettings) check(realm string) error {
	switch {
	case (k.UserName.Qualified() || k.GroupName.Qualified()) && !qualifies(realm):
		return fmt.Errorf("[[provider]] realm: %q can stand in no name; user_name and group_name = \"spn\" need the server's domain here", realm)
	case k.HomePrefix != "" && (!strings.HasPrefix(k.HomePrefix, "/") || !strings.HasSuffix(k.HomePrefix, "/")):
		return fmt.Errorf("[[provider]] home_prefix: %q must begin and end with '/'", k.HomePrefix)
	case k.Token != "" && !filepath.IsAbs(k.Token):
		return fmt.Errorf("[[provider]] token: %q is not an absolute path", k.Token)
	}
	return nil
}
