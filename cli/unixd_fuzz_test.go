package cli //nolint:testpackage // readUnixd is what reads the files

import (
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/config"
)

// FuzzReadUnixd: whatever stands in kanidm-unixd's files, what would be written is
// refused, or is one provider with just these settings: nothing of a value becomes a
// line of its own, and no server is taken that need not prove who it is.
// Promise kanidm-migration-files.
func FuzzReadUnixd(f *testing.F) {
	const client = "uri = 'https://idm.example.com'\nca_path = '/etc/ca.pem'\n"
	for _, s := range [][2]string{
		{"version = '2'\nhome_attr = 'name'\nhsm_type = 'tpm'\n[kanidm]\npam_allowed_login_groups = ['staff']\n[[kanidm.map_group]]\nlocal = 'wheel'\nwith = 'staff'\n", client},
		{"pam_allowed_login_groups = ['a', 'b']\ncache_timeout = 60\nconn_timeout = 0\nservice_account_token_path = '/t'\nallow_local_account_override = ['x']\n", client},
		{"default_shell = \"/bin/sh\\\"\\n[login]\\nallow = [\\\"*\\\"]\"\nhome_prefix = '/h\\'\n", client},
		{"home_alias = 'spn'\nuse_etc_skel = true\nselinux = false\nuid_attr_map = 'spn'\ntpm_tcti_name = 'device:/dev/tpm0'\n", "uri = 'https://a:8443/'\nverify_ca = true\n"},
		{"[kanidm]\n", client},
		{"version = '3'\n", client},
		{"", "uri = 'http://idm.example.com'\n"},
		{"", client + "verify_hostnames = false\n"},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, daemon, client []byte) {
		s, err := readUnixd(daemon, client)
		if err != nil {
			return
		}
		p := &s.provider
		p.Machine, p.Realm, p.Allow = uuid.New(), "example", []string{uuid.NewString()}
		if p.CA == "" {
			p.CA = systemRoots
		}
		c, err := config.Parse("f", p.Text())
		if err != nil {
			return
		}
		if len(c.Providers) != 1 || c.Machine.ID != p.Machine {
			t.Fatalf("it became\n%s", p.Text())
		}
		got := &c.Providers[0]
		if got.URL.String() != p.URL || got.CA != p.CA || got.Token != p.Token || p.Shell != "" && got.Shell != p.Shell {
			t.Errorf("it became\n%s", p.Text())
		}
		if everybody, groups := c.Login.Allowed(got.Realm); everybody || len(groups) != 1 || groups[0].String() != p.Allow[0] {
			t.Errorf("who may log in became %v %v:\n%s", everybody, groups, p.Text())
		}
	})
}
