// Package fill makes a machine that remembers a whole realm: database, keys and
// configuration, as a daemon leaves them that listed the realm and then lost its
// network. It is for measurements; what it signs with is thrown away.
package fill

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/identity"
)

// Realm is the size of one: accounts user0, user1 …, uids from FirstUID, each with
// a group of its own, in groups team0, team1 …, gids from FirstGID, of that many
// members each.
type Realm struct{ Accounts, Groups, Members int }

// Where the numbers begin, and the realm's name.
const (
	FirstUID = 1900000000
	FirstGID = 1890000000
	Name     = "bench.example"

	url = "https://127.0.0.1:1"
)

// Folder is what lies where in the folder that [Fill] makes.
type Folder string

// MachineKey reads the machine's key back.
func (f Folder) MachineKey() ed25519.PrivateKey {
	text, err := os.ReadFile(filepath.Join(f.State(), "machine.key"))
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	return key.(ed25519.PrivateKey)
}

// The parts of a folder.
func (f Folder) Config() string    { return filepath.Join(string(f), "sallyportd.toml") }
func (f Folder) State() string     { return filepath.Join(string(f), "state") }
func (f Folder) Run() string       { return filepath.Join(string(f), "run") }
func (f Folder) Directory() string { return filepath.Join(string(f), "directory") }

const batch = 1000

// Fill makes the folder at path. Nobody listens where its configuration says the
// server is, so a daemon that is started with it is offline and knows everybody.
func Fill(ctx context.Context, path string, r Realm) (Folder, error) {
	f := Folder(path)
	for dir, mode := range map[string]os.FileMode{f.State(): 0o700, f.Run(): 0o755, f.Directory(): 0o755} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return f, fmt.Errorf("fill: %w", err)
		}
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	if err := f.settings(key); err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	c, err := cache.Open(ctx, filepath.Join(f.State(), "cache.db"), cache.Options{})
	if err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	defer c.Close()
	trusted, err := cbor.Marshal(map[int]any{1: Name, 2: [][]byte{pub}})
	if err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	if err := c.Remember(ctx, "sallyport realm keys", trusted); err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	signer, err := identity.NewSigner(key)
	if err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	if err := r.store(ctx, c, signer); err != nil {
		return f, fmt.Errorf("fill: %w", err)
	}
	return f, nil
}

// settings writes keys, a certificate and the configuration.
func (f Folder) settings(ca ed25519.PrivateKey) error {
	_, machine, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(machine)
	if err != nil {
		return err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, root, root, ca.Public(), ca)
	if err != nil {
		return err
	}
	text := config.Joined{
		Machine: uuid.New(), URL: url, Realm: Name, CA: filepath.Join(string(f), "ca.pem"), Allow: []string{"*"},
	}.Text()
	text = fmt.Appendf(text, "\n[paths]\nstate = %q\nrun = %q\ndirectory = %q\n", f.State(), f.Run(), f.Directory())
	for name, content := range map[string][]byte{
		"state/machine.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"ca.pem":            pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		"sallyportd.toml":   text,
	} {
		if err := os.WriteFile(filepath.Join(string(f), name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Token is the token of account i.
func (r Realm) Token(i int, groups []int) *identity.IDToken {
	name := fmt.Sprintf("user%d", i)
	uid := uint32(FirstUID + i)
	t := &identity.IDToken{
		Realm: Name, State: identity.Active, ValidUntil: identity.Never, OfflineFor: 14 * 86400,
		IssuedAt: time.Now().Unix(), Revision: uint64(i + 1),
		Account: identity.Account{
			UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)), Name: identity.Name(name), UID: uid, GID: uid,
			FullName: "Person " + name, Home: "/home/" + name, Shell: "/bin/bash",
		},
		Groups:  []identity.Group{group(name, uid)},
		Factors: []identity.Factor{{Kind: identity.Password, Epoch: 1}},
		SSHKeys: []identity.SSHKey{{Tag: "laptop", Line: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHA2lQ0gq0b0fCtH0Cw5m1uOVrZtHk4tS2mM0bJ4m3mF"}},
	}
	for _, g := range groups {
		t.Groups = append(t.Groups, group(fmt.Sprintf("team%d", g), uint32(FirstGID+g)))
	}
	return t
}

func group(name string, gid uint32) identity.Group {
	return identity.Group{UUID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("group "+name)), Name: identity.Name(name), GID: gid}
}

// Memberships deals the groups out: the accounts of one follow each other, and
// the next group goes on where it ended.
func (r Realm) Memberships() [][]int {
	of := make([][]int, r.Accounts)
	for k := range r.Groups * r.Members {
		i := k % r.Accounts
		of[i] = append(of[i], k/r.Members)
	}
	return of
}

func (r Realm) store(ctx context.Context, c *cache.Cache, signer *identity.Signer) error {
	of, now := r.Memberships(), time.Now()
	for from := 0; from < r.Accounts; from += batch {
		n := min(batch, r.Accounts-from)
		puts, ids, errs := make([]cache.Put, n), make([]cache.ID, 0, 2*n), make([]error, n)
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wg.Go(func() {
				for i := w; i < n; i += workers {
					t := r.Token(from+i, of[from+i])
					signed, err := signer.SignIDToken(t)
					errs[i] = err
					puts[i] = cache.Put{Token: cache.Token{
						UUID: t.Account.UUID, Name: t.Account.Name, UID: t.Account.UID, GID: t.Account.GID,
						Revision: t.Revision, Signed: signed, Fetched: now,
					}}
				}
			})
		}
		wg.Wait()
		for i, p := range puts {
			if errs[i] != nil {
				return errs[i]
			}
			ids = append(ids, cache.ID{Kind: cache.UID, ID: p.UID, UUID: p.UUID},
				cache.ID{Kind: cache.GID, ID: p.GID, UUID: group(string(p.Name), p.GID).UUID})
		}
		if err := c.Apply(ctx, cache.Batch{Realm: Name, Put: puts, IDs: ids}); err != nil {
			return err
		}
	}
	var ids []cache.ID
	for g := range r.Groups {
		one := group(fmt.Sprintf("team%d", g), uint32(FirstGID+g))
		ids = append(ids, cache.ID{Kind: cache.GID, ID: one.GID, UUID: one.UUID})
	}
	return c.Apply(ctx, cache.Batch{
		Realm: Name, IDs: ids, Contact: &cache.Contact{Position: uint64(r.Accounts), Complete: true, At: now},
	})
}
