package sallyport

import (
	"context"
	"errors"
	"slices"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// broken is a memory that cannot be read or written.
type broken struct{}

var errBroken = errors.New("the disk is gone")

func (broken) Recall(context.Context, string) ([]byte, error) { return nil, errBroken }

func (broken) Remember(context.Context, string, []byte) error { return errBroken }

// TestAMachineThatTakesCertificatesAloneGoesOnSo: over restarts, at servers that have heard
// less, and where it cannot be known.
// Promise stored-keys.
func TestAMachineThatTakesCertificatesAloneGoesOnSo(t *testing.T) {
	kept := notes{}
	p := &Provider{o: Options{Memory: kept}}
	is := func(what string, only bool) {
		t.Helper()
		if p.CertificatesOnly() != only {
			t.Errorf("%s: certificates only: %t", what, !only)
		}
		again := &Provider{o: Options{Memory: kept}}
		if err := again.recall(); err != nil || again.CertificatesOnly() != only {
			t.Errorf("%s, after a restart: certificates only: %t, %v", what, !only, err)
		}
	}
	said := func(only bool, version uint64) {
		t.Helper()
		if err := p.takeSettings(t.Context(), &v1.MachineSettings{CertificatesOnly: only, Version: version}, false); err != nil {
			t.Error(err)
		}
	}
	reads := func(only bool, version uint64) {
		t.Helper()
		if err := p.takeSettings(t.Context(), &v1.MachineSettings{CertificatesOnly: only, Version: version}, true); err != nil {
			t.Error(err)
		}
	}
	if !p.CertificatesOnly() {
		t.Error("before it is known")
	}
	if err := p.recall(); err != nil {
		t.Error(err)
	}
	is("nothing was said", false)
	reads(true, 0)
	reads(false, 0)
	is("a server that only reads was the first to say something, and opens it", true)
	said(true, 5)
	is("certificates only", true)
	said(false, 4)
	is("keys, by a server that has heard less", true)
	said(true, 3)
	said(false, 4)
	is("certificates by one that has heard less, and keys by another", true)
	said(false, 5)
	is("keys, by one that has heard as much", false)
	said(true, 2)
	is("certificates, by one that has heard less", true)
	said(false, 9)
	is("keys", false)
	reads(true, 1<<40)
	is("certificates, by a server that only reads", true)
	reads(false, 1<<41)
	is("keys, by a server that only reads", true)
	said(false, 9)
	is("keys, by a full server again", false)
	kept[settingsKey] = []byte("nonsense")
	p = &Provider{o: Options{Memory: kept}}
	if err := p.recall(); err != nil {
		t.Error(err)
	}
	is("nonsense was kept", true)
	said(false, 1)
	is("keys, after nonsense", false)
	p = &Provider{o: Options{Memory: broken{}}}
	if err := p.recall(); err == nil || !p.CertificatesOnly() {
		t.Errorf("a memory that cannot be read: certificates only: %t, %v", p.CertificatesOnly(), err)
	}
	if err := p.takeSettings(t.Context(), &v1.MachineSettings{CertificatesOnly: true, Version: 1}, false); err == nil || !p.CertificatesOnly() {
		t.Errorf("a memory that cannot be written: %v", err)
	}
}

// TestAServerThatOnlyReadsIsKnownAsSuch: by the realm's signed list, also where an
// administrator named it here.
// Promise stored-keys.
func TestAServerThatOnlyReadsIsKnownAsSuch(t *testing.T) {
	const full, branch = "https://full.example", "https://branch.example"
	p := &Provider{o: Options{Memory: notes{}}}
	p.o.defaults()
	p.fleet.configured = []string{branch, full}
	reads := func() (list []string) {
		for _, e := range p.fleet.all() {
			if e.reads.Load() {
				list = append(list, e.url)
			}
		}
		return list
	}
	p.setServers(nil, []string{branch})
	if got := reads(); !slices.Equal(got, []string{branch}) {
		t.Errorf("these only read: %q", got)
	}
	p.setServers([]string{branch}, nil)
	if got := reads(); len(got) > 0 {
		t.Errorf("after the list changed these only read: %q", got)
	}
}
