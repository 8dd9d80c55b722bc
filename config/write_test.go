package config_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/config"
)

// FuzzJoined: what a machine writes when it joins is what it reads afterwards,
// whatever the server calls its realm.
func FuzzJoined(f *testing.F) {
	f.Add("https://id.example:8443", "example", "/etc/sallyport/server-ca.pem", "*")
	f.Add("https://id.example", "bell\a and \x7f \"quoted\" \\u", "/srv/a b.pem", "0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10")
	f.Add("https://[::1]:1", "ñ\u200b\U0001F600\n[login]\nallow = [\"*\"]", "/x", "*")
	f.Add("https://id.example", "\xff", "/x", "*")
	f.Fuzz(func(t *testing.T, url, realm, ca, allow string) {
		if config.CheckURL(url) != nil || realm == "" || !strings.HasPrefix(ca, "/") || new(config.Allow).UnmarshalText([]byte(allow)) != nil {
			return
		}
		j := config.Joined{Machine: uuid.MustParse("6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11"), URL: url, Realm: realm, CA: ca, Allow: []string{allow}}
		c, err := config.Parse("f", j.Text())
		if err != nil {
			t.Fatalf("%v\n%s", err, j.Text())
		}
		if !utf8.ValidString(url + realm + ca) {
			return
		}
		p := c.Providers[0]
		if p.URL.String() != url || p.Realm != realm || p.CA != ca || len(c.Login.Allow) != 1 || c.Machine.ID != j.Machine {
			t.Errorf("read back %+v", c)
		}
	})
}

// Promise mutual-off.
func TestMutualAuthenticationOfCardsIsOffUnlessItIsSetUp(t *testing.T) {
	for name, c := range map[string]struct {
		text, mode string
		index      uint32
	}{
		"not named": {"", "", 0},
		"off":       {"[cards]\nmutual = \"off\"\n", config.MutualOff, 0},
		"online":    {"[cards]\nmutual = \"online\"\nmutual_key = \"/k\"\nmutual_roots = \"/r\"\n", config.MutualOnline, 0},
		"always":    {"[cards]\nmutual = \"always\"\nmutual_key = \"/k\"\nmutual_roots = \"/r\"\nmutual_index = 3\n", config.MutualAlways, 3},
	} {
		got, err := config.Parse("f.toml", []byte(good+c.text))
		if err != nil || got.Cards.Mutual.String() != c.mode || got.Cards.MutualIndex != c.index {
			t.Errorf("%s: %v", name, err)
		}
	}
}
