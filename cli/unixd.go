package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sallyport-auth/sallyport/config"
)

// unixd is kanidm-unixd's configuration, both forms of it: what stands in [kanidm]
// in the second stands at the top in the first. Keys that it does not know are
// errors there too, so those here are all that there are.
type unixd struct {
	Version string `toml:"version"`

	DBPath        *string   `toml:"db_path"`
	CacheDBPath   *string   `toml:"cache_db_path"`
	SockPath      *string   `toml:"sock_path"`
	TaskSockPath  *string   `toml:"task_sock_path"`
	CacheTimeout  *uint64   `toml:"cache_timeout"`
	DefaultShell  *string   `toml:"default_shell"`
	HomePrefix    *string   `toml:"home_prefix"`
	MountPrefix   *string   `toml:"home_mount_prefix"`
	HomeAttr      *string   `toml:"home_attr"`
	HomeAlias     *string   `toml:"home_alias"`
	HomeStrategy  *string   `toml:"home_strategy"`
	UseEtcSkel    *bool     `toml:"use_etc_skel"`
	UIDAttrMap    *string   `toml:"uid_attr_map"`
	GIDAttrMap    *string   `toml:"gid_attr_map"`
	SELinux       *bool     `toml:"selinux"`
	HSMPinPath    *string   `toml:"hsm_pin_path"`
	HSMType       *string   `toml:"hsm_type"`
	TPM           *string   `toml:"tpm_tcti_name"`
	LocalOverride *[]string `toml:"allow_local_account_override"`

	unixdKanidm              // of the first form
	Kanidm      *unixdKanidm `toml:"kanidm"`
}

type unixdKanidm struct {
	ConnTimeout    *uint64     `toml:"conn_timeout"`
	RequestTimeout *uint64     `toml:"request_timeout"`
	LoginGroups    *[]string   `toml:"pam_allowed_login_groups"`
	MapGroup       []unixdPair `toml:"map_group"`
	TokenPath      *string     `toml:"service_account_token_path"`
}

type unixdPair struct {
	Local string `toml:"local"`
	With  string `toml:"with"`
}

// kanidmClient is /etc/kanidm/config, which says where the server is.
type kanidmClient struct {
	URI             string  `toml:"uri"`
	CAPath          string  `toml:"ca_path"`
	VerifyCA        *bool   `toml:"verify_ca"`
	VerifyHostnames *bool   `toml:"verify_hostnames"`
	ConnectTimeout  *uint64 `toml:"connect_timeout"`
}

// moved is what became of one key.
type moved struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Ours is what stands for it now; empty: nothing.
	Ours string `json:"ours"`
	Why  string `json:"why,omitempty"`
}

// unixdSettings are ours, but for groups, which the server has to be asked about.
type unixdSettings struct {
	provider config.Joined
	groups   []string // who may log in, by name, spn or uuid
	local    []unixdPair
	moved    []moved
}

// readUnixd turns kanidm-unixd's files into settings of ours. What cannot be had is
// said, key by key; what would be less safe is refused.
func readUnixd(daemon, client []byte) (*unixdSettings, error) {
	var u unixd
	if err := toml.Unmarshal(daemon, &u); err != nil {
		return nil, fmt.Errorf("read kanidm-unixd's configuration: %w", err)
	}
	var c kanidmClient
	if err := toml.Unmarshal(client, &c); err != nil {
		return nil, fmt.Errorf("read kanidm's client configuration: %w", err)
	}
	for name, v := range map[string]*bool{"verify_ca": c.VerifyCA, "verify_hostnames": c.VerifyHostnames} {
		if v != nil && !*v {
			return nil, fmt.Errorf("%s = false: Sallyport never takes a server that cannot prove who it is; name its authority with --ca FILE, and set it to true", name)
		}
	}
	if c.URI == "" {
		return nil, errors.New("kanidm's client configuration names no server (uri)")
	}
	if err := config.CheckURL(strings.TrimSuffix(c.URI, "/")); err != nil {
		return nil, fmt.Errorf("uri: %w", err)
	}
	k := u.unixdKanidm
	noProvider := false
	switch u.Version {
	case "":
		if u.Kanidm != nil {
			return nil, errors.New("[kanidm] without version = '2': kanidm-unixd itself does not read such a file")
		}
	case "2":
		if noProvider = u.Kanidm == nil; !noProvider {
			k = *u.Kanidm
		}
	default:
		return nil, fmt.Errorf("version %q is not known; 2 is the latest", u.Version)
	}
	s := &unixdSettings{provider: config.Joined{Kind: config.Kanidm, URL: strings.TrimSuffix(c.URI, "/"), CA: c.CAPath}}
	s.provider.Seal = "auto"
	s.take(&u)
	s.takeKanidm(&u, &k)
	s.takeClient(client, &c, &k)
	if len(s.groups) == 0 {
		why := "nobody may log in, as with kanidm-unixd: name groups under [login] allow"
		if noProvider {
			why = "the file has no [kanidm], so kanidm-unixd asks no server at all; " + why
		}
		s.note("pam_allowed_login_groups", "", "[login] allow", why)
	}
	slices.SortStableFunc(s.moved, func(a, b moved) int { return strings.Compare(a.Key, b.Key) })
	return s, nil
}

// note writes down what became of a key that stands in the file.
func (s *unixdSettings) note(key string, value any, ours, why string) {
	s.moved = append(s.moved, moved{Key: key, Value: fmt.Sprint(value), Ours: ours, Why: why})
}

func (s *unixdSettings) take(u *unixd) {
	p := &s.provider
	if v := u.DefaultShell; v != nil {
		p.Shell = *v
		s.note("default_shell", *v, "[[provider]] shell", "")
	} else {
		p.Shell = "/bin/bash"
		s.note("default_shell", p.Shell, "[[provider]] shell", "kanidm-unixd's default on Linux, whatever its example file says; ours is /bin/sh")
	}
	s.takePaths(u)
	s.takeHomes(u)
	p.UserName = s.takeForm("uid_attr_map", u.UIDAttrMap, "[[provider]] user_name")
	p.GroupName = s.takeForm("gid_attr_map", u.GIDAttrMap, "[[provider]] group_name")
	if v := u.HSMType; v != nil {
		kinds := map[string]string{"soft": "file", "tpm": "tpm", "tpm_if_possible": "auto"}
		if kind, ok := kinds[*v]; ok {
			p.Seal = kind
		}
		s.note("hsm_type", *v, "[seal] kind", "")
	}
	if v := u.TPM; v != nil {
		s.note("tpm_tcti_name", *v, "", "[seal] device names a device file; its default is the kernel's resource manager")
	}
	for key, v := range map[string]*string{
		"db_path": u.DBPath, "cache_db_path": u.CacheDBPath, "sock_path": u.SockPath, "task_sock_path": u.TaskSockPath, "hsm_pin_path": u.HSMPinPath,
	} {
		if v != nil {
			s.note(key, *v, "", "files and sockets of ours are elsewhere; nothing of kanidm-unixd's is read or changed")
		}
	}
	if v := u.CacheTimeout; v != nil {
		p.Refresh = fmt.Sprintf("%ds", *v)
		s.note("cache_timeout", *v, "[lookup] refresh", "")
	} else {
		p.Refresh = "300s"
		s.note("cache_timeout", 300, "[lookup] refresh", "kanidm-unixd's default; ours is 15 minutes")
	}
}

// takePaths is for what passwd(5) names as a home, which stays what it was: a link to the
// folder where kanidm-unixd makes one (home_alias, which it does unless it is told not to),
// and otherwise the folder itself.
func (s *unixdSettings) takePaths(u *unixd) {
	const linked = "kanidm-unixd keeps the folder under it, and a link to it that passwd(5) names; both go on to be there"
	p := &s.provider
	attr, alias, prefix := "uuid", config.SPN, "/home/"
	if u.HomeAttr != nil {
		attr = *u.HomeAttr
	}
	why := "kanidm-unixd's default; "
	if u.HomeAlias != nil {
		alias, why = *u.HomeAlias, ""
	}
	if u.HomePrefix != nil {
		prefix = *u.HomePrefix
	}
	if alias == "none" {
		p.HomeName, p.HomePrefix = attr, prefix
		s.note("home_attr", attr, "[[provider]] home_name", "")
		s.note("home_alias", alias, "", "")
		s.note("home_prefix", prefix, "[[provider]] home_prefix", "")
		return
	}
	p.HomeName, p.HomePrefix = alias, prefix
	s.note("home_attr", attr, "", linked)
	s.note("home_alias", alias, "[[provider]] home_name", why+"no new links are made: of somebody new it is the folder itself")
	if u.MountPrefix != nil {
		p.HomePrefix = *u.MountPrefix
		s.note("home_mount_prefix", *u.MountPrefix, "[[provider]] home_prefix", "where the links are, which passwd(5) names")
		s.note("home_prefix", prefix, "", linked)
		return
	}
	s.note("home_prefix", prefix, "[[provider]] home_prefix", "")
}

// takeClient is for what stands in the client's file besides the server.
func (s *unixdSettings) takeClient(text []byte, c *kanidmClient, k *unixdKanidm) {
	if v := c.ConnectTimeout; v != nil {
		why := "kanidm-unixd counts by its own conn_timeout"
		if k.ConnTimeout == nil {
			why += ", 2 seconds unless it is set; ours is 4 for one step of a login"
		}
		s.note("connect_timeout", *v, "", why)
	}
	var all map[string]any
	if toml.Unmarshal(text, &all) != nil {
		return // it was read before
	}
	for key := range all {
		if !slices.Contains([]string{"uri", "ca_path", "verify_ca", "verify_hostnames", "connect_timeout"}, key) {
			s.note(key, "…", "", "no setting of kanidm-unixd's")
		}
	}
}

// takeForm is for how people and groups are called, which has to stay as it is also
// where the file does not say it: sudoers(5) and others name them.
func (s *unixdSettings) takeForm(key string, v *string, ours string) string {
	form, why := config.SPN, "kanidm-unixd's default; ours is \"name\""
	if v != nil {
		form, why = *v, ""
	}
	if key == "uid_attr_map" && form == config.SPN {
		why = strings.TrimPrefix(why+"; people sign in by the whole name, name@domain, and no longer by the name alone", "; ")
	}
	s.note(key, form, ours, why)
	return form
}

// takeHomes is for what kanidm-unixd's second daemon did for homes.
func (s *unixdSettings) takeHomes(u *unixd) {
	const mkhomedir = "our PAM profile makes homes at the first login, from /etc/skel, with pam_mkhomedir(8)"
	if v := u.HomeStrategy; v != nil {
		s.note("home_strategy", *v, "", "no links and no mounts are made")
	}
	if v := u.UseEtcSkel; v != nil {
		s.note("use_etc_skel", *v, "", mkhomedir)
	}
	if v := u.SELinux; v != nil {
		s.note("selinux", *v, "", "homes get no labels from us: "+mkhomedir)
	}
}

func (s *unixdSettings) takeKanidm(u *unixd, k *unixdKanidm) {
	p := &s.provider
	if v := k.LoginGroups; v != nil {
		s.groups = *v
		s.note("pam_allowed_login_groups", strings.Join(*v, " "), "[login] allow", "by their uuids: a name can be taken over")
	}
	if v := k.ConnTimeout; v != nil {
		p.Timeout = fmt.Sprintf("%ds", max(*v, 1))
		s.note("conn_timeout", *v, "[[provider]] timeout", "of one step of a login; then it goes on offline")
	}
	if v := k.RequestTimeout; v != nil {
		s.note("request_timeout", *v, "", "[[provider]] timeout is for both")
	}
	if v := k.TokenPath; v != nil {
		p.Token = *v
		s.note("service_account_token_path", *v, "[[provider]] token", "copied to a file of the daemon's own, which alone may read it")
	}
	for _, m := range k.MapGroup {
		s.local = append(s.local, m)
		s.note("map_group", m.Local+" with "+m.With, "[groups] local", "by the uuid of the realm's group")
	}
	if v := u.LocalOverride; v != nil && len(*v) > 0 {
		s.note("allow_local_account_override", strings.Join(*v, " "), "", "what is local comes first, always. For a group, [groups] local gives its membership; an account has to be renamed on one side")
	}
}
