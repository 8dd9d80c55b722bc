package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
