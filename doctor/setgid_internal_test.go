package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise gated-session-only.
func TestFoldersWhereAGatedGroupCanBeKeptAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		mounts string
		groups []identity.Name
		want   string // folders that the finding names; "-" for no finding at all
		is     report.Severity
	}{
		"no such group":     {"/dev/sda / ext4 rw 0 0\n", nil, "-", report.OK},
		"one file system":   {"/dev/sda / ext4 rw 0 0\n", []identity.Name{"vault"}, "/home, /tmp", report.Warning},
		"tmp apart":         {"/dev/sda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev 0 0\n", []identity.Name{"vault"}, "in /home", report.Warning},
		"all apart":         {"/dev/sda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,nosuid 0 0\n/dev/sdb /home ext4 nosuid,rw 0 0\n", []identity.Name{"vault"}, "", report.OK},
		"mounted over":      {"/dev/sdb /home ext4 nosuid 0 0\n/dev/sdc /home ext4 rw 0 0\n/x /tmp tmpfs nosuid 0 0\n", []identity.Name{"vault"}, "in /home", report.Warning},
		"a like name":       {"/ / ext4 rw 0 0\n/x /hom ext4 nosuid 0 0\n/x /tmp tmpfs nosuid 0 0\n", []identity.Name{"vault"}, "in /home", report.Warning},
		"the whole machine": {"/ / ext4 rw,nosuid 0 0\n", []identity.Name{"vault"}, "", report.OK},
		"a like option":     {"/ / ext4 rw,nosuidx 0 0\n", []identity.Name{"vault"}, "/home, /tmp", report.Warning},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			err := os.MkdirAll(filepath.Join(root, "proc/self"), 0o755)
			for _, dir := range []string{"home", "tmp"} {
				err = errors.Join(err, os.Mkdir(filepath.Join(root, dir), 0o755))
			}
			if err = errors.Join(err, os.WriteFile(filepath.Join(root, "proc/self/mounts"), []byte(c.mounts), 0o644)); err != nil {
				t.Fatal(err)
			}
			found := (&Host{Root: root}).judgeSetGID(c.groups)
			if c.want == "-" {
				if found != nil {
					t.Errorf("%+v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Severity != c.is || !strings.HasSuffix(found[0].Detail, c.want) && c.want != "" {
				t.Errorf("%+v, want %s", found, c.want)
			}
		})
	}
}
