// Package doctor examines the host that Sallyport lives on: name service, PAM
// stacks, sshd, sockets, files, clock and certificate. Every [Check] looks at
// one thing and says what is so, why it matters and how to mend it.
//
// It reads and changes nothing. It decides nothing about people: who may log in
// and why not is the daemon's answer (sallyport explain). A check that could not
// look says so; it never reports as sound what it has not seen.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
)

// Host is what is examined. The zero value is this machine with its usual paths.
type Host struct {
	// Root is put before every path; "" is this machine.
	Root string
	// ConfigPath is config.DefaultPath when empty.
	ConfigPath string
	// Run runs a program of the host and returns what it printed; nil runs it on
	// this machine.
	Run func(ctx context.Context, name string, args ...string) (string, error)
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// check is one examination. It may need the configuration, nil when there is none.
type check struct {
	name string
	look func(ctx context.Context, h *Host, c *config.Config) []report.Finding
}

// checks in the order in which a login needs them.
func checks() []check {
	return []check{
		{"configuration", lookConfig},
		{"files", lookFiles},
		{"daemon", lookDaemon},
		{"server", lookServer},
		{"directory", lookDirectory},
		{"name service", lookNames},
		{"name service cache", lookNSCD},
		{"user database", lookUserDB},
		{"subordinate ids", lookSubIDs},
		{"PAM", lookPAM},
		{"PAM services", lookRules},
		{"sshd", lookSSHD},
	}
}

// Examine runs every check and returns all findings, in order.
func (h *Host) Examine(ctx context.Context) []report.Finding {
	c, _ := config.Load(h.configPath()) // its own check says what is wrong with it
	var all []report.Finding
	for _, ch := range checks() {
		found := ch.look(ctx, h, c)
		for i := range found {
			found[i].Check = ch.name
		}
		all = append(all, found...)
	}
	return all
}

// Worst is the gravest severity among the findings.
func Worst(all []report.Finding) report.Severity {
	worst := report.OK
	for _, f := range all {
		if rank(f.Severity) > rank(worst) {
			worst = f.Severity
		}
	}
	return worst
}

func rank(s report.Severity) int {
	switch s {
	case report.OK:
		return 0
	case report.Note:
		return 1
	case report.Warning:
		return 2
	default:
		return 3
	}
}

func ok(format string, a ...any) report.Finding {
	return report.Finding{Severity: report.OK, Detail: fmt.Sprintf(format, a...)}
}

func finding(s report.Severity, mend, format string, a ...any) report.Finding {
	return report.Finding{Severity: s, Detail: fmt.Sprintf(format, a...), Mend: mend}
}

func (h *Host) path(p string) string { return filepath.Join("/", h.Root, p) }

func (h *Host) configPath() string {
	if h.ConfigPath == "" {
		return h.path(config.DefaultPath)
	}
	return h.path(h.ConfigPath)
}

func (h *Host) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

func (h *Host) run(ctx context.Context, name string, args ...string) (string, error) {
	if h.Run != nil {
		return h.Run(ctx, name, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // names are constants of this package
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", name, err)
	}
	return string(out), nil
}

// guessable is a realm behind another whose people have names that the first may have
// too, and may not have been seen to have.
func guessable(c *config.Config) *config.Provider {
	for i := range c.Providers[1:] {
		if p := &c.Providers[1+i]; !p.UserName.Qualified() {
			return p
		}
	}
	return nil
}

func lookConfig(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	path := h.configPath()
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return []report.Finding{finding(report.Problem, "sudo sallyport join --server URL --code CODE --fingerprint SHA256",
			"%s is missing: this machine has not joined a realm", path)}
	}
	c, err := config.Load(path)
	if err != nil {
		return []report.Finding{finding(report.Problem, "correct the place that is named; sallyportd.toml(5) lists every key", "%v", err)}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return []report.Finding{finding(report.Problem, "sudo chmod 0644 "+path, "%s can be written by others than its owner (mode %04o)", path, info.Mode().Perm())}
	}
	if p := guessable(c); p != nil {
		mend := `set user_name = "spn" there; it renames its people, see sallyportd.toml(5)`
		if p.Kind.String() != config.Kanidm {
			mend = "let it stand first in the file"
		}
		return []report.Finding{finding(report.Warning, mend,
			"people of %s have short names behind another realm: whoever chooses names there can choose one that sudoers(5) means for the other's", p.Realm)}
	}
	return []report.Finding{ok("%s is sound", path)}
}
