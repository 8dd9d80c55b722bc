package fill_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/bench/fill"
)

func TestADaemonKnowsEverybodyOfAFilledRealm(t *testing.T) {
	r := fill.Realm{Accounts: 1200, Groups: 10, Members: 360}
	f, err := fill.Fill(t.Context(), t.TempDir(), r)
	must(t, err)
	d := start(t, f)
	v, err := d.View(t.Context())
	must(t, err)
	accounts, groups, memberships := 0, 0, 0
	for a := range v.Accounts() {
		accounts++
		memberships += len(a.GIDs)
		must(t, a.Validate())
	}
	for range v.Groups() {
		groups++
	}
	if accounts != r.Accounts || groups != r.Accounts+r.Groups || memberships != r.Accounts+r.Groups*r.Members {
		t.Fatalf("%d accounts, %d groups, %d memberships", accounts, groups, memberships)
	}
	a, err := d.AccountByUID(t.Context(), fill.FirstUID+7)
	if err != nil || a.Name != "user7" {
		t.Fatalf("%v, %v", a, err)
	}
}

// start makes a daemon as sallyportd does.
func start(tb testing.TB, f fill.Folder) *daemon.Daemon {
	tb.Helper()
	c, err := config.Load(f.Config())
	must(tb, err)
	store, err := cache.Open(tb.Context(), filepath.Join(c.Paths.State, "cache.db"), cache.Options{})
	must(tb, err)
	tb.Cleanup(func() { must(tb, store.Close()) })
	key := filepath.Join(c.Paths.State, "seal.key")
	sealer, err := seal.OpenFile(key)
	if errors.Is(err, os.ErrNotExist) {
		sealer, err = seal.CreateFile(key)
	}
	must(tb, err)
	root, err := os.ReadFile(c.Providers[0].CA)
	must(tb, err)
	source, err := sallyport.New(sallyport.Options{
		URL: c.Providers[0].URL.String(), Realm: fill.Name, RootPEM: root, MachineKey: f.MachineKey(), MachineID: c.Machine.ID, Memory: store,
	})
	must(tb, err)
	var _ provider.Provider = source
	d, err := daemon.New(daemon.Options{
		Provider: source, Cache: store, Sealer: sealer, Machine: uuid.New(), Realm: fill.Name,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LocalFiles: tb.TempDir(),
		Policy: policy.Policy{AllowAll: true, IDs: []identity.IDRange{{Min: fill.FirstGID, Max: 2000000000}}},
	})
	must(tb, err)
	return d
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkStart is what a start takes, signatures above all.
func BenchmarkStart(b *testing.B) {
	f, err := fill.Fill(b.Context(), b.TempDir(), fill.Realm{Accounts: 10000, Groups: 100, Members: 1000})
	must(b, err)
	for b.Loop() {
		start(b, f)
	}
}

// BenchmarkView is what one walk over everybody takes.
func BenchmarkView(b *testing.B) {
	f, err := fill.Fill(b.Context(), b.TempDir(), fill.Realm{Accounts: 10000, Groups: 100, Members: 1000})
	must(b, err)
	d := start(b, f)
	b.ReportAllocs()
	for b.Loop() {
		v, err := d.View(b.Context())
		must(b, err)
		for a := range v.Accounts() {
			_ = a.UID
		}
		for g := range v.Groups() {
			_ = g.GID
		}
	}
}

// BenchmarkMemberships is what the group list of somebody in many groups takes, in a realm
// of fifty such people, each with groups that the others are not in: the last realm has
// 100,000 groups.
func BenchmarkMemberships(b *testing.B) {
	for _, each := range []int{250, 500, 1000, 2000} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			f, err := fill.Fill(b.Context(), b.TempDir(), fill.Realm{Accounts: 50, Groups: 50 * each, Members: 1})
			must(b, err)
			d := start(b, f)
			b.ReportAllocs()
			for b.Loop() {
				ids, err := d.GroupsOf(b.Context(), "user7")
				must(b, err)
				if len(ids.GIDs) != each+1 {
					b.Fatalf("%d groups", len(ids.GIDs))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(each), "ns/group")
		})
	}
}
