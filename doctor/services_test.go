package doctor_test

import "testing"

// Promise service-twins.
func TestAServiceThatAStricterTwinLeavesBehindIsNamed(t *testing.T) {
	const includes = "@include common-all\n"
	for name, c := range map[string]struct {
		rules string
		pam   map[string]string
		want  string
	}{
		"nothing said": {"", map[string]string{"sudo": includes, "sudo-i": includes, "su": includes, "su-l": includes}, ""},
		"set apart and weaker": {
			"[service.sudo]\npoints = 50\n[service.sudo-i]\npoints = 0\n",
			map[string]string{"sudo": includes, "sudo-i": includes},
			"warning The PAM service sudo-i does what sudo does and demands less (points): the rules of [service.sudo] can be avoided by it.\n",
		},
		"a variant that is not known": {
			"",
			map[string]string{"sudo": includes, "sudo-rs": "auth required pam_sallyport.so\n"},
			"warning The PAM service sudo-rs does what sudo does and demands less (step_up): the rules of [service.sudo] can be avoided by it.\n",
		},
		"by include":  {"[service.su]\nfactors = [\"totp\"]\n[service.su-l]\nfactors = []\n", map[string]string{"su": includes, "su-l": "auth include su\n"}, "warning The PAM service su-l does what su does and demands less (factors): the rules of [service.su] can be avoided by it.\n"},
		"by substack": {"[service.su]\nfactors = [\"totp\"]\n[service.su-l]\nfactors = []\n", map[string]string{"su": includes, "su-l": "auth substack su\n"}, "warning The PAM service su-l does what su does and demands less (factors): the rules of [service.su] can be avoided by it.\n"},
		"the other has no module of ours": {
			"[service.su]\nfactors = [\"totp\"]\n[service.su-l]\nfactors = []\n", map[string]string{"su": includes, "su-l": "auth required pam_unix.so # pam_sallyport.so\n@include su-l\n"}, "",
		},
		"the other is not here": {"[service.su]\nfactors = [\"totp\"]\n[service.su-l]\nfactors = []\n", map[string]string{"su": includes}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			delete(files, "/etc/pam.d/su")
			files["/etc/sallyport/sallyportd.toml"] += c.rules
			for service, text := range c.pam {
				files["/etc/pam.d/"+service] = text
			}
			got := of(host(t, files, sshdSound).Examine(t.Context()), "PAM services")
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
