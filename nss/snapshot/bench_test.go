package snapshot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// town has n people in 100 groups of a tenth of them each.
func town(n uint32) *fixed {
	f := &fixed{}
	for i := range n {
		p := person(i)
		for g := range uint32(10) {
			p.GIDs = append(p.GIDs, base+n+(i+g*10)%100)
		}
		f.accounts = append(f.accounts, p)
		f.groups = append(f.groups, listed(p.Name, p.GID))
	}
	for i := range uint32(100) {
		f.groups = append(f.groups, listed(identity.Name(fmt.Sprintf("team%d", i)), base+n+i))
	}
	return f
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []uint32{1000, 10000, 100000} {
		v := town(n)
		path := filepath.Join(b.TempDir(), "directory")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				s, err := snapshot.Write(f, v, current())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Size)/1e6, "MB/file")
				_ = f.Close()
			}
		})
	}
}
