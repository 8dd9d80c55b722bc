//go:build packages

package test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// releases are the folders of earlier releases' packages, which packaging/test-packages
// makes, the oldest first.
func releases(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.Getenv("SALLYPORT_OLD_PACKAGES"), "*-*"))
	must(t, err)
	if len(dirs) < 2 {
		t.Fatalf("there are no packages of earlier releases in $SALLYPORT_OLD_PACKAGES: %v", dirs)
	}
	return dirs
}

// apt installs packages as an administrator does, who cannot know their order.
const apt = "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "

// TestAPackageTakesOverFromAnEarlierRelease goes its whole life with each state, from the
// true packages: those configured the host when they were installed, so it stays configured.
// Promise package-upgrade, package-downgrade, package-no-questions.
func TestAPackageTakesOverFromAnEarlierRelease(t *testing.T) {
	today := packages(t)
	for _, release := range releases(t) {
		dist := t.TempDir()
		must(t, os.CopyFS(dist, os.DirFS(today)))
		must(t, os.RemoveAll(filepath.Join(dist, earlierVersion)))
		must(t, os.CopyFS(filepath.Join(dist, earlierVersion), os.DirFS(release)))
		for name, s := range lifeStates() {
			t.Run(filepath.Base(release)+", "+name, func(t *testing.T) {
				b := inState(t, dist, s)
				s.configured = true
				t.Run("upgraded", func(t *testing.T) {
					in(t, b, apt+"/root/"+packageVersion+"/*.deb")
					s.isWell(t, b)
				})
				t.Run("apt refuses a downgrade", func(t *testing.T) {
					if out, err := b.In(t.Context(), apt+"/root/"+earlierVersion+"/*.deb 2>&1"); err == nil {
						t.Errorf("not refused:\n%s", out)
					}
					s.isWell(t, b)
				})
				t.Run("removed and purged", func(t *testing.T) {
					in(t, b, "dpkg -P sallyport sallyport-server")
					lifeState{}.isWell(t, b)
				})
			})
		}
	}
}

// A server's realm stays, and what is to be done is said, where only the workstation's
// package is upgraded.
func TestAPackageWithoutItsServerSaysSo(t *testing.T) {
	today := packages(t)
	for _, release := range releases(t) {
		t.Run(filepath.Base(release), func(t *testing.T) {
			dist := t.TempDir()
			must(t, os.CopyFS(dist, os.DirFS(today)))
			must(t, os.RemoveAll(filepath.Join(dist, earlierVersion)))
			must(t, os.CopyFS(filepath.Join(dist, earlierVersion), os.DirFS(release)))
			b := inState(t, dist, lifeStates()["joined"])
			out := in(t, b, "dpkg -i /root/"+packageVersion+"/sallyport_*.deb 2>&1")
			said(t, out, "its server is a package of its own now", "apt install ./sallyport-server_*.deb")
			in(t, b, "systemctl is-active sallyport-server; dpkg -i /root/"+packageVersion+"/sallyport-server_*.deb; systemctl is-active sallyport-server")
			adaGetsIn(t, b)
		})
	}
}

// TestAPackageOutlivesAKillAtEachInstant kills dpkg at one rename after the other, in
// each state.
// Promise package-any-state.
func TestAPackageOutlivesAKillAtEachInstant(t *testing.T) {
	dist := packages(t)
	for name, s := range lifeStates() {
		t.Run(name, func(t *testing.T) {
			b := inState(t, dist, s)
			at := 1
			for ; ; at += 11 {
				in(t, b, "SALLYPORT_ALLOW_DOWNGRADE=1 dpkg -i /root/"+earlierVersion+"/*.deb")
				if !killed(t, b, strconv.Itoa(at), packageVersion) {
					break
				}
				ok := t.Run("at rename "+strconv.Itoa(at), func(t *testing.T) {
					localsAreWell(t, b)
					mended(t, b)
					s.isWell(t, b)
				})
				if !ok {
					return
				}
			}
			if at < 50 {
				t.Errorf("dpkg was killed only until rename %d", at)
			}
		})
	}
}
