package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/config"
)

func realmAt(t *testing.T, kind, realm, url string) config.Provider {
	t.Helper()
	p := config.Provider{Realm: realm}
	if err := p.Kind.UnmarshalText([]byte(kind)); err != nil {
		t.Fatal(err)
	}
	if err := p.URL.UnmarshalText([]byte(url)); err != nil {
		t.Fatal(err)
	}
	return p
}

// Promise server-address.
func TestACacheIsNamedByItsRealmAndTakenOver(t *testing.T) {
	idm := realmAt(t, config.Kanidm, "idm.example", "https://idm.example")
	moved := realmAt(t, config.Kanidm, "idm.example", "https://idm.example.net")
	other := realmAt(t, config.Kanidm, "other.example", "https://other.example")
	for sentence, c := range map[string]struct {
		here      []config.Provider // the first is asked about
		lies, has []string          // files before and after
	}{
		"nothing there":               {here: []config.Provider{idm}},
		"by its address":              {[]config.Provider{idm}, []string{earlierName(&idm)}, []string{cacheName(&idm)}},
		"with its log":                {[]config.Provider{idm}, []string{earlierName(&idm), earlierName(&idm) + "-wal"}, []string{cacheName(&idm), cacheName(&idm) + "-wal"}},
		"ended half-way":              {[]config.Provider{idm}, []string{earlierName(&idm), cacheName(&idm) + "-wal"}, []string{cacheName(&idm), cacheName(&idm) + "-wal"}},
		"by the address before":       {[]config.Provider{moved}, []string{earlierName(&idm)}, []string{cacheName(&moved)}},
		"has one":                     {[]config.Provider{idm}, []string{cacheName(&idm), earlierName(&idm)}, []string{cacheName(&idm), earlierName(&idm)}},
		"another realm's beside it":   {[]config.Provider{idm, other}, []string{earlierName(&other)}, []string{earlierName(&other)}},
		"two that it could be":        {[]config.Provider{moved}, []string{earlierName(&idm), earlierName(&other)}, []string{earlierName(&idm), earlierName(&other)}},
		"one of two realms has moved": {[]config.Provider{moved, other}, []string{earlierName(&idm)}, []string{earlierName(&idm)}},
		"a realm of ours":             {[]config.Provider{realmAt(t, config.Sallyport, "example", "https://id.example")}, []string{earlierName(&idm)}, []string{earlierName(&idm)}},
	} {
		t.Run(sentence, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.lies {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := cacheFile(&config.Config{Paths: config.Paths{State: dir}, Providers: c.here}, &c.here[0])
			if err != nil || got != filepath.Join(dir, cacheName(&c.here[0])) {
				t.Errorf("%s, %v", got, err)
			}
			var has []string
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				has = append(has, e.Name())
			}
			slices.Sort(c.has)
			if !slices.Equal(has, c.has) {
				t.Errorf("files %q, want %q", has, c.has)
			}
		})
	}
	if cacheName(&idm) != cacheName(&moved) || cacheName(&idm) == cacheName(&other) {
		t.Error("the name is not the realm's")
	}
}
