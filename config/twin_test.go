package config_test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/config"
)

func TestAServiceIsWeakerByWhateverItLeavesOut(t *testing.T) {
	const strict = "[service.sudo]\nmax_age = \"1m\"\nrequire = [\"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"]\nfactors = [\"totp\"]\npoints = 50\npassword_due_with_key = \"ask\"\n"
	for rules, want := range map[string]string{
		"":                           "",
		"step_up = false":            "step_up",
		"max_age = \"2m\"":           "max_age",
		"max_age = \"30s\"":          "",
		"proof_scope = \"session\"":  "proof_scope",
		"proof_scope = \"terminal\"": "",
		"points = 49":                "points",
		"points = 51":                "",
		"factors = []":               "factors",
		"factors = [\"piv\"]":        "factors",
		"require = []":               "require",
		"cards = false":              "",

		"password_due_with_key = \"let in\"": "password_due_with_key",
		"password_due_with_key = \"refuse\"": "",
		"factors = [\"totp\", \"piv\"]":      "",
	} {
		conf, err := config.Parse("f.toml", []byte(good+strict+"[service.sudo-i]\n"+rules+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		all := conf.Services()
		if got := all["sudo-i"].Weaker(all["sudo"]); got != want {
			t.Errorf("%q is weaker by %q, want %q", rules, got, want)
		}
	}
}

// Promise service-twins.
func TestEveryTwinHoldsTheRulesOfItsService(t *testing.T) {
	for _, twin := range []string{
		"sudo-i", "su-l", "runuser-l", "remote", "gdm-smartcard", "gdm-fingerprint", "gdm-pin", "gdm-autologin",
		"lightdm-autologin", "sddm-autologin", "kde-fingerprint", "kde-smartcard", "crond",
	} {
		base, ok := config.Twin(twin)
		if !ok {
			t.Fatalf("%s is no twin", twin)
		}
		conf, err := config.Parse("f.toml", []byte(good+"[service."+base+"]\nstep_up = true\nfactors = [\"totp\"]\npoints = 50\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, has := conf.Services()[twin]
		if !has || !*s.StepUp || len(s.Kinds()) != 1 || *s.Points != 50 {
			t.Errorf("%s has not the rules of %s: %+v", twin, base, s)
		}
	}
}
