package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-auth/sallyport/config"
)

// cacheFile is the file of one realm's cache: what one server says must not become a
// verifier for another's people. It is named by the realm, and not by the address of its
// server, which may change. One that an older release named by the address is renamed.
func cacheFile(c *config.Config, p *config.Provider) (string, error) {
	path := filepath.Join(c.Paths.State, cacheName(p))
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, nil // what is wrong with it shows when it is opened
	}
	old, err := earlierCache(c, p)
	if err != nil || old == "" {
		return path, err
	}
	// The log first: where this ends half-way, the next start goes on with it.
	for _, ext := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(old+ext, path+ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("take over the cache of an older release: %w", err)
		}
	}
	return path, nil
}

// cacheName: of a realm of ours there is one.
func cacheName(p *config.Provider) string {
	if p.Kind.Joined() {
		return "cache.db"
	}
	return hashedName(p.Kind.String() + " " + p.Realm)
}

func hashedName(of string) string {
	sum := sha256.Sum256([]byte(of))
	return fmt.Sprintf("cache-%x.db", sum[:6])
}

// earlierName is how an older release called it.
func earlierName(p *config.Provider) string {
	return hashedName(p.Kind.String() + " " + p.URL.String() + " " + p.Realm)
}

// earlierCache finds the file that an older release made for the realm: by its present
// address, or, where that was changed, the one that is nobody else's. It is "" when
// there is none, or more than one that it could be.
func earlierCache(c *config.Config, p *config.Provider) (string, error) {
	if p.Kind.Joined() {
		return "", nil
	}
	exact := filepath.Join(c.Paths.State, earlierName(p))
	if _, err := os.Lstat(exact); err == nil {
		return exact, nil
	}
	list, err := filepath.Glob(filepath.Join(c.Paths.State, "cache-????????????.db"))
	if err != nil {
		return "", fmt.Errorf("look for the cache of an older release: %w", err)
	}
	for i := range c.Providers {
		o := &c.Providers[i]
		if o.Kind == p.Kind && o.Realm != p.Realm {
			return "", nil // it could be the other's
		}
		list = slices.DeleteFunc(list, func(path string) bool {
			return filepath.Base(path) == cacheName(o) || o.Realm != p.Realm && filepath.Base(path) == earlierName(o)
		})
	}
	if len(list) != 1 {
		return "", nil
	}
	return list[0], nil
}
