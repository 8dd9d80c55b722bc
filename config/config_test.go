package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/identity"
)

const good = `[machine]
id = "6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11"
[[provider]]
kind = "sallyport"
url = "https://id.example:8443"
realm = "example"
ca = "/etc/sallyport/server-ca.pem"
[login]
allow = ["*"]
`

// Promise 12, mutual-off.
// Seen red: keys for card services accepted while mutual is off.
func TestAFaultNamesItsLineAndColumn(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":                  {good + "alow = 1\n", `f.toml:10:1: unknown key "login.alow"; did you mean "allow"?`},
		"unknown table":                {good + "[offlin]\ntries = 3\n", `f.toml:10:2: unknown key "offlin"; did you mean "offline"?`},
		"key far from any":             {good + "[offline]\nqqqqqq = 3\n", `f.toml:11:1: unknown key "offline.qqqqqq"`},
		"bad time span":                {good + "[offline]\nmax_age = \"2 weeks\"\n", `f.toml:11:11: "2 weeks" is no time span`},
		"negative time span":           {good + "[offline]\nmax_age = \"-3h\"\n", `f.toml:11:11: "-3h" is no time span`},
		"group by name":                {strings.Replace(good, `"*"`, `"admins"`, 1), `f.toml:9:10: "admins" is neither "*" nor the uuid`},
		"plain http":                   {strings.Replace(good, "https:", "http:", 1), `f.toml:5:7: "http://id.example:8443" must begin with https://`},
		"a name that is none":          {good + "[names]\nreserved = [\"a:b\"]\n", `f.toml: [names] reserved: "a:b"`},
		"reserved ids":                 {good + "[ids]\nallow = [\"0-70000\"]\n", `f.toml:11:10: id outside the allowed range: 0-70000 overlaps 0-999`},
		"other kind":                   {strings.Replace(good, `"sallyport"`, `"ldap"`, 1), `f.toml:4:8: unknown kind "ldap"`},
		"a rule for keys that is none": {good + "[service.sshd]\npassword_due_with_key = \"no\"\n", `f.toml:11:25: "no" is none of "let in", "ask" and "refuse"`},
		"a scope that is none":         {good + "[service.su]\nproof_scope = \"user\"\n", `f.toml:11:15: "user" is neither "terminal" nor "session"`},
		"root is trusted":              {good + "[service.web]\ntrusted_users = [\"root\"]\n", `f.toml: [service.web] trusted_users: names of local users other than root`},
		"trusted for sudo":             {good + "[service.sudo-i]\ntrusted_users = [\"www-data\"]\n", `f.toml: [service.sudo-i] trusted_users cannot be where step_up is`},
		"trusted for step-up":          {good + "[service.web]\nstep_up = true\ntrusted_users = [\"www-data\"]\n", `f.toml: [service.web] trusted_users cannot be where step_up is`},
		"not TOML":                     {"[machine\n", `f.toml:1:9: `},
		"wrong type":                   {good + "[offline]\ntries = \"five\"\n", `f.toml:11:9: `},
		"no machine":                   {"[login]\nallow = []\n", `f.toml: [machine] id is missing`},
		"no provider":                  {"[machine]\nid = \"6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11\"\n", `f.toml: no [[provider]]`},
		"unlimited tries":              {good + "[offline]\ntries = 0\n", `f.toml: [offline] tries must be at least 1`},
		"names for no time":            {good + "[directory]\nkeep = \"0s\"\n", `f.toml:11:8: "0s" is too short`},
		"names for a while":            {good + "[directory]\nkeep = \"a while\"\n", `f.toml:11:8: "a while" is no time span`},
		"group root given":             {good + "[groups]\nlocal = {root = \"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"}\n", `f.toml: [groups] local: nobody is given the group root`},
		"group by its name":            {good + "[groups]\nlocal = {docker = \"admins\"}\n", `f.toml:11:`},
		"group by nil uuid":            {good + "[groups]\nlocal = {docker = \"00000000-0000-0000-0000-000000000000\"}\n", `f.toml:11:19: "00000000-0000-0000-0000-000000000000" is not the uuid of a group`},
		"group with a colon":           {good + "[groups]\nlocal = {\"a:b\" = \"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"}\n", `f.toml: [groups] local: "a:b" cannot be a group`},
		"too many groups":              {good + "[groups.local]\n" + manyGroups(256), `f.toml: [groups] local names 256 groups, at most 255`},
		"few subordinate":              {good + "[subids]\nrange = \"600000000-600065534\"\n", `f.toml:11:9: 600000000-600065534 has no room`},
		"system subordinate":           {good + "[subids]\nrange = \"60000-700000\"\n", `f.toml:11:9: id outside the allowed range`},
		"seal of no kind":              {good + "[seal]\nkind = \"TPM\"\n", `f.toml:11:8: "TPM" is no kind of seal; write "auto", "tpm" or "file"`},
		"relative device":              {good + "[seal]\ndevice = \"tpmrm0\"\n", `f.toml: "tpmrm0" is not an absolute path`},
		"unknown in service":           {good + "[service.sudo]\nmax_aeg = \"1m\"\n", `f.toml:11:1: unknown key "service.sudo.max_aeg"; did you mean "max_age"?`},
		"service, no table":            {good + "[service]\nstep_up = true\n", `f.toml:11:`},
		"no age":                       {good + "[service.sudo]\nmax_age = \"0s\"\n", `f.toml: [service.sudo] max_age must be above zero; step_up = false asks each time`},
		"two days":                     {good + "[service.sudo]\nmax_age = \"2d\"\n", `f.toml: [service.sudo] max_age is more than a day`},
		"requires a name":              {good + "[service.sudo]\nrequire = [\"admins\"]\n", `f.toml:11:12: "admins" is not the uuid of a group`},
		"requires nobody":              {good + "[service.sudo]\nrequire = [\"00000000-0000-0000-0000-000000000000\"]\n", `f.toml:11:12: "00000000-0000-0000-0000-000000000000" is not the uuid`},
		"unknown factor":               {good + "[service.sudo]\nfactors = [\"pin\"]\n", `f.toml:11:12: "pin" is no factor; this version knows "password", "totp" and "piv"`},
		"too many points":              {good + "[service.sudo]\npoints = 70000\n", `f.toml:11:10: `},
		"points below zero":            {good + "[service.sudo]\npoints = -1\n", `f.toml:11:10: `},
		"cards as a word":              {good + "[service.sudo]\ncards = \"no\"\n", `f.toml:11:9: `},
		"service, a path":              {good + "[service.\"../sudo\"]\nstep_up = true\n", `f.toml: [service]: "../sudo" is no PAM service`},
		"mutual, no mode":              {good + "[cards]\nmutual = \"yes\"\n", `f.toml:11:10: "yes" is no mode; write "off", "online" or "always"`},
		"mutual, no key":               {good + "[cards]\nmutual = \"always\"\n", `f.toml: [cards] mutual_key: "" is not an absolute path`},
		"mutual, no roots":             {good + "[cards]\nmutual = \"online\"\nmutual_key = \"/k\"\n", `f.toml: [cards] mutual_roots: "" is not an absolute path`},
		"mutual, key nearby":           {good + "[cards]\nmutual = \"online\"\nmutual_key = \"k\"\nmutual_roots = \"/r\"\n", `f.toml: [cards] mutual_key: "k" is not an absolute path`},
		"mutual, below zero":           {good + "[cards]\nmutual_index = -1\n", `f.toml:11:16: `},
		"a key, and no mode":           {good + "[cards]\nmutual_key = \"/k\"\n", `f.toml: [cards] mutual_key, mutual_roots and mutual_index are for mutual =`},
		"index, mutual off":            {good + "[cards]\nmutual = \"off\"\nmutual_index = 1\n", `f.toml: [cards] mutual_key, mutual_roots and mutual_index are for`},
		"a proxy with a key":           {strings.Replace(good, "realm =", "proxy = \"http://a:b@p:1\"\nrealm =", 1), `f.toml:6:9: a proxy that wants a password cannot be used`},
		"a proxy by https":             {strings.Replace(good, "realm =", "proxy = \"https://p:1\"\nrealm =", 1), `f.toml:6:9: "https://p:1" must be http://HOST:PORT`},
		"a proxy of no port":           {strings.Replace(good, "realm =", "proxy = \"http://p\"\nrealm =", 1), `f.toml:6:9: "http://p" must be http://HOST:PORT`},
		"relative path":                {good + "[paths]\nstate = \"state\"\n", `f.toml: "state" is not an absolute path`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("f.toml", []byte(c.text))
			var fault *config.Error
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a config.Error", err)
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s…", err, c.want)
			}
		})
	}
}

func TestDefaultsStandWhereTheFileIsSilent(t *testing.T) {
	c, err := config.Parse("f.toml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(c.Providers[0].Timeout); got != 4*time.Second {
		t.Errorf("provider timeout %v, want 4s", got)
	}
	if got := c.Machine.Key; got != "/var/lib/sallyport/machine.key" {
		t.Errorf("machine key %q", got)
	}
	if got := time.Duration(c.Offline.MaxAge); got != 14*24*time.Hour {
		t.Errorf("offline max_age %v, want 14 days", got)
	}
	for _, r := range c.IDRanges(&c.Providers[0]) {
		if err := r.Validate(); err != nil {
			t.Errorf("default range: %v", err)
		}
	}
}

// What useradd(8) gives to local users, and to them as subordinate ids, is no realm's.
// Promise reserved-ids.
func TestIDsOfLocalUsersAreTakenOnlyIfTheFileSaysSo(t *testing.T) {
	for kind, want := range map[string]string{"sallyport": "[1879048192-2147352575]", "kanidm": "[65536-99999 1879048192-2147352575 2147418112-2147483647]"} {
		text := strings.Replace(good, `kind = "sallyport"`, "kind = \""+kind+"\"", 1)
		if kind == "kanidm" {
			text = strings.Replace(text, "[login]", "token = \"/t\"\n[login]", 1)
		}
		c, err := config.Parse("f.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ranges := c.IDRanges(&c.Providers[0])
		if got := fmt.Sprint(ranges); got != want {
			t.Errorf("%s: %s", kind, got)
		}
		for _, r := range ranges {
			for _, id := range []uint32{1000, 60000, 100000, 600100000} { // login.defs(5)
				if r.Contains(id) {
					t.Errorf("%s takes %d", kind, id)
				}
			}
		}
		for _, r := range config.AnyID {
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestNobodyMayLogInUnlessTheFileSaysSo(t *testing.T) {
	c, err := config.Parse("f.toml", []byte(strings.Replace(good, "allow = [\"*\"]", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Login.Allow) != 0 {
		t.Errorf("allow is %q without a word of it in the file", c.Login.Allow)
	}
}

func TestWhatJoinWritesCanBeRead(t *testing.T) {
	j := config.Joined{
		Machine: uuid.New(), URL: "https://127.0.0.1:8443", Realm: "example",
		CA: "/etc/sallyport/server-ca.pem", Allow: []string{"*"},
		IDs: []identity.IDRange{{Min: 5000, Max: 6000}}, IDsWhy: "The realm's.",
	}
	c, err := config.Parse("f.toml", j.Text())
	if err != nil {
		t.Fatal(err)
	}
	if c.Machine.ID != j.Machine || c.Providers[0].URL.String() != j.URL || c.Login.Allow[0].String() != "*" || fmt.Sprint(c.IDRanges(&c.Providers[0])) != "[5000-6000]" {
		t.Errorf("read back %+v", c)
	}
}

func manyGroups(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "g%d = \"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"\n", i)
	}
	return b.String()
}

func TestHowNamesAreAnsweredCanBeSaid(t *testing.T) {
	c, err := config.Parse("f.toml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if c.Directory.Keep != 0 || !c.Directory.Aliases || identity.IDRange(c.SubIDs.Range) != identity.SubIDRange ||
		c.Paths.Directory != "/var/cache/sallyport" || len(c.Groups.Local) != 0 {
		t.Errorf("defaults: %+v", c)
	}
	c, err = config.Parse("f.toml", []byte(good+"[directory]\nkeep = \"30d\"\naliases = false\n[subids]\nrange = \"600000000-700000000\"\n"+
		"[groups]\nlocal = {docker = \"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if time.Duration(c.Directory.Keep) != 30*24*time.Hour || c.Directory.Aliases || c.SubIDs.Range.Max != 700000000 ||
		c.Groups.Of(c.Providers[0].Realm)["docker"] != uuid.MustParse("0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10") {
		t.Errorf("read as %+v", c)
	}
	if c, err = config.Parse("f.toml", []byte(good+"[directory]\nkeep = \"forever\"\n")); err != nil || c.Directory.Keep != 0 {
		t.Errorf("forever: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good + "[ids]\nallow = [\"1000-2000\"]\n"))
	f.Add([]byte("[login\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("f", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
		var fault *config.Error
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}

func TestSudoDemandsAFreshProofUnlessTheFileSaysOtherwise(t *testing.T) {
	type policy struct {
		stepUp  bool
		age     time.Duration
		require int
		factors int
		points  int
		noCards bool
	}
	for name, c := range map[string]struct {
		text string
		want map[string]policy
	}{
		"nothing said": {"", map[string]policy{"sudo": {true, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {true, 5 * time.Minute, 0, 0, 0, false}}},
		"another age": {
			"[service.sudo]\nmax_age = \"30s\"\n",
			map[string]policy{"sudo": {true, 30 * time.Second, 0, 0, 0, false}, "sudo-i": {true, 30 * time.Second, 0, 0, 0, false}},
		},
		"taken away": {
			"[service]\nsudo = {step_up = false}\nsudo-i.step_up = false\n",
			map[string]policy{"sudo": {false, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {false, 5 * time.Minute, 0, 0, 0, false}},
		},
		"taken away of sudo": {
			"[service.sudo]\nstep_up = false\n",
			map[string]policy{"sudo": {false, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {false, 5 * time.Minute, 0, 0, 0, false}},
		},
		"demands hold for the twin": {
			"[service.sudo]\nrequire = [\"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"]\nfactors = [\"totp\"]\npoints = 50\ncards = false\n",
			map[string]policy{"sudo": {true, 5 * time.Minute, 1, 1, 50, true}, "sudo-i": {true, 5 * time.Minute, 1, 1, 50, true}},
		},
		"a twin says part of it itself": {
			"[service.su]\nstep_up = true\nfactors = [\"totp\"]\npoints = 50\n[service.su-l]\nmax_age = \"10s\"\nfactors = []\n",
			map[string]policy{
				"sudo": {true, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {true, 5 * time.Minute, 0, 0, 0, false},
				"su": {true, 5 * time.Minute, 0, 1, 50, false}, "su-l": {true, 10 * time.Second, 0, 0, 50, false},
			},
		},
		"a twin alone": {
			"[service.su-l]\npoints = 50\n",
			map[string]policy{
				"sudo": {true, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {true, 5 * time.Minute, 0, 0, 0, false}, "su-l": {false, 5 * time.Minute, 0, 0, 50, false},
			},
		},
		"another service": {
			"[service.sshd]\nrequire = [\"0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10\"]\nfactors = [\"password\", \"totp\", \"piv\"]\npoints = 50\ncards = false\n",
			map[string]policy{
				"sudo": {true, 5 * time.Minute, 0, 0, 0, false}, "sudo-i": {true, 5 * time.Minute, 0, 0, 0, false}, "sshd": {false, 5 * time.Minute, 1, 3, 50, true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := config.Parse("f.toml", []byte(good+c.text))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]policy{}
			for name, s := range conf.Services() {
				got[name] = policy{*s.StepUp, time.Duration(*s.MaxAge), len(s.Groups("example")), len(s.Kinds()), int(*s.Points), !*s.Cards}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAKanidmServerHasSettingsOfItsOwn(t *testing.T) {
	const head = "[machine]\nid = \"6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11\"\n[[provider]]\nurl = \"https://idm.example\"\nrealm = \"r\"\nca = \"/ca\"\n"
	for text, says := range map[string]string{
		`kind = "kanidm"`: "", "kind = \"kanidm\"\nsign_in = \"stepped\"\ntoken = \"/t\"\nhome_name = \"spn\"\nhome_prefix = \"/u/\"\nshell = \"/bin/zsh\"": "",
		"kind = \"sallyport\"\nshell = \"/bin/zsh\"":                    `shell is for kind = "kanidm" alone`,
		"kind = \"sallyport\"\nsign_in = \"posix\"":                     `sign_in is for kind = "kanidm" alone`,
		"kind = \"kanidm\"\nsign_in = \"magic\"":                        `:8:11: "magic" is no way to sign in`,
		"kind = \"kanidm\"\nhome_name = \"uid\"":                        `:8:13: "uid" names no home`,
		"kind = \"kanidm\"\nhome_prefix = \"/home\"":                    "must begin and end with '/'",
		"kind = \"kanidm\"\ntoken = \"t\"":                              "not an absolute path",
		"kind = \"kanidm\"\nuser_name = \"spn\"\ngroup_name = \"name\"": "",
		"kind = \"kanidm\"\nuser_name = \"uuid\"":                       `:8:13: "uuid" is no form of a name; write "name" or "spn"`,
		"kind = \"sallyport\"\ngroup_name = \"spn\"":                    `group_name is for kind = "kanidm" alone`,
		`kind = "ldap"`: `unknown kind "ldap"; this version knows "sallyport" and "kanidm"`,
	} {
		_, err := config.Parse("f", []byte(head+text+"\n"))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s:\n%v", text, err)
		}
	}
}

// The uuid of a realm's group means nothing in another's mouth.
// Promise realms-separate.
func TestOfSeveralRealmsEachGroupSaysWhoseItIs(t *testing.T) {
	const (
		one = "0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10"
		two = "0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f11"
	)
	head := "[machine]\nid = \"6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11\"\n"
	for i, realm := range []string{"a", "b"} {
		head += fmt.Sprintf("[[provider]]\nkind = \"kanidm\"\nurl = \"https://%s\"\nrealm = %[1]q\nca = \"/ca\"\nids = [\"%d-%d\"]\n", realm, 70000+1000*i, 70999+1000*i)
	}
	for text, says := range map[string]string{
		"[login]\nallow = [\"*\"]":                          `[login] allow: of several [[provider]], say whose it is: "*@a"`,
		"[login]\nallow = [\"" + one + "\"]":                `say whose it is: "` + one + `@a"`,
		"[login]\nallow = [\"" + one + "@c\"]":              `no [[provider]] is of the realm "c"`,
		"[login]\nallow = [\"" + one + "@\"]":               `is neither "*" nor the uuid`,
		"[login]\nallow = [\"*@\"]":                         `is neither "*" nor the uuid`,
		"[groups]\nlocal = {wheel = \"" + one + "\"}":       `[groups] local: wheel: of several`,
		"[service.sudo]\nrequire = [\"" + one + "\"]":       `[service.sudo] require: of several`,
		"[service.sudo]\nrequire = [\"" + one + "@elsew\"]": `[service.sudo] require: no [[provider]] is of the realm "elsew"`,
	} {
		if _, err := config.Parse("f", []byte(head+text+"\n")); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := config.Parse("f", []byte(head+"[login]\nallow = [\"*@a\", \""+two+"@b\"]\n[groups]\nlocal = {wheel = \""+one+"@a\", users = \""+two+"@b\"}\n"+
		"[service.su]\nrequire = [\""+one+"@a\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	everybody, groups := c.Login.Allowed("a")
	if !everybody || len(groups) != 0 {
		t.Errorf("of a: %t, %v", everybody, groups)
	}
	everybody, groups = c.Login.Allowed("b")
	if everybody || len(groups) != 1 || groups[0].String() != two {
		t.Errorf("of b: %t, %v", everybody, groups)
	}
	if a, b := c.Groups.Of("a"), c.Groups.Of("b"); len(a) != 1 || a["wheel"].String() != one || len(b) != 1 || b["users"].String() != two {
		t.Errorf("%v, %v", a, b)
	}
	su := c.Services()["su"]
	if a, b := su.Groups("a"), su.Groups("b"); len(a) != 1 || a[0].String() != one || len(b) != 1 || b[0] != uuid.Nil {
		t.Errorf("su is for %v of a, and for %v of b", a, b)
	}
}

// Promise realms-separate.
func TestSeveralProvidersShareNothingButTheMachine(t *testing.T) {
	const machine = "[machine]\nid = \"6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11\"\n"
	one := func(kind, realm, rest string) string {
		return "[[provider]]\nkind = \"" + kind + "\"\nurl = \"https://" + realm + "\"\nrealm = \"" + realm + "\"\nca = \"/ca\"\n" + rest + "\n"
	}
	low, high := `ids = ["65536-524287"]`, `ids = ["1879048192-2147352575"]`
	for name, c := range map[string]struct{ text, says string }{
		"two":                {one("sallyport", "a", high) + one("kanidm", "b", low), ""},
		"more than eight":    {strings.Repeat(one("kanidm", "a", high), 9), "9 [[provider]], at most 8"},
		"too long a realm":   {one("kanidm", strings.Repeat("r", 91), ""), "realm of 91 bytes, at most 90"},
		"no domain":          {strings.Replace(one("kanidm", "a", `user_name = "spn"`), `realm = "a"`, `realm = "a b"`, 1), `"a b" can stand in no name`},
		"two of Kanidm":      {one("kanidm", "a", high) + one("kanidm", "b", low), ""},
		"two of ours":        {one("sallyport", "a", high) + one("sallyport", "b", low), "a machine can join one such realm"},
		"one realm twice":    {one("sallyport", "a", high) + one("kanidm", "a", low), `two [[provider]] of the realm "a"`},
		"ids that overlap":   {one("sallyport", "a", low) + one("kanidm", "b", low), "65536-524287 of a and 65536-524287 of b overlap"},
		"no ids":             {one("sallyport", "a", high) + one("kanidm", "b", ""), "[[provider]] b: where there are several, each needs ids"},
		"[ids] besides":      {one("sallyport", "a", high) + one("kanidm", "b", low) + "[ids]\nallow = [\"1000-2000\"]\n", "[ids] allow is for one"},
		"one with its own":   {one("sallyport", "a", high), "of one, [ids] allow says it"},
		"one without a kind": {one("sallyport", "a", high) + "[[provider]]\nrealm = \"b\"\n", "kind is missing"},
	} {
		_, err := config.Parse("f", []byte(machine+c.text))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
