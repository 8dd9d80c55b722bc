package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/config"
)

func withURL(value string) string {
	return strings.Replace(good, `"https://id.example:8443"`, value, 1)
}

// Promise servers-url.
func TestTheListOfServersIsReadInItsOrder(t *testing.T) {
	for value, want := range map[string][]string{
		`"https://a.example:8443"`:                                        {"https://a.example:8443"},
		`["https://a.example:8443"]`:                                      {"https://a.example:8443"},
		`["https://b.example", "https://a.example", "https://[::1]:1"]`:   {"https://b.example", "https://a.example", "https://[::1]:1"},
		"[\n  \"https://b.example\", # near\n  \"https://a.example\",\n]": {"https://b.example", "https://a.example"},
	} {
		c, err := config.Parse("f.toml", []byte(withURL(value)))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		u := c.Providers[0].URL
		if !slices.Equal(u.All(), want) || u.String() != want[0] || !slices.Equal(u.Others(), want[1:]) {
			t.Errorf("%s was read as %q", value, u.All())
		}
	}
}

// Promise servers-url.
func TestTheListOfServersNamesItsFault(t *testing.T) {
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprintf("%q", fmt.Sprintf("https://s%d.example", i))
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {withURL(`[]`), `f.toml: [[provider]] url is missing`},
		"twice the same":    {withURL(`["https://a.example", "https://b.example", "https://A.example:443/"]`), `f.toml: [[provider]] url: https://A.example:443/ is in the list twice`},
		"plain http":        {withURL(`["https://a.example", "http://b.example"]`), `f.toml:5:29: "http://b.example" must begin with https://`},
		"more than sixteen": {withURL("[" + strings.Join(many, ", ") + "]"), `f.toml: [[provider]] url: 17 servers, at most 16`},
		"too long":          {withURL(`"https://` + strings.Repeat("a", 512) + `"`), `f.toml:5:7: a server's address of 520 bytes, at most 512`},
		"a number":          {withURL(`1`), `f.toml: "1" must begin with https://`},
		"of Kanidm":         {strings.Replace(withURL(`["https://a.example", "https://b.example"]`), `"sallyport"`, `"kanidm"`, 1), `f.toml: [[provider]] url: a realm of kind "kanidm" has one server`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := config.Parse("f.toml", []byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
}

// Promise servers-url.
func TestWhatJoiningWritesOfSeveralServersIsReadAgain(t *testing.T) {
	for _, others := range [][]string{nil, {"https://b.example"}, {"https://b.example", "https://[::1]:8443"}} {
		j := config.Joined{
			Machine: uuid.MustParse("6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11"), URL: "https://a.example", Others: others, Realm: "example", CA: "/ca.pem", Allow: []string{"*"},
		}
		c, err := config.Parse("f.toml", j.Text())
		if err != nil {
			t.Errorf("%v\n%s", err, j.Text())
			continue
		}
		if got := c.Providers[0].URL; got.String() != "https://a.example" || !slices.Equal(got.Others(), others) {
			t.Errorf("%q was read as %q", others, got.All())
		}
		// An older program reads the configuration of a machine with one server.
		if one := strings.Contains(string(j.Text()), "\nurl = \"https://a.example\"\n"); one != (others == nil) {
			t.Errorf("written as\n%s", j.Text())
		}
	}
}
