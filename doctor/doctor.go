// Package doctor examines the host that Sallyport lives on: name service, PAM
// stacks, sshd, sockets, files, clock and certificate. Every [Check] looks at
// one thing and says what is so, why it matters and how to mend it.
//
// The words of causes and mends are package trouble's. A wrong clock is said first, and
// what is only the echo of another finding is left out. [Host.Examine] is everything,
// [Host.Person] what the host has to do with one account, and [Host.Unreachable] why the
// daemon does not answer; each may be called by other commands.
//
// It reads and changes nothing. It decides nothing about people: who may log in
// and why not is the daemon's answer (sallyport explain). A check that could not
// look says so; it never reports as sound what it has not seen.
package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/doctor/pamstack"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
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
	all = inOrder(all)
	if os.Geteuid() == 0 && h.sudoBroken() {
		for i := range all {
			all[i].Mend = strings.ReplaceAll(all[i].Mend, "sudo ", "") // sudo(8) would refuse; root needs none
		}
	}
	return all
}

// sudoBroken tells whether sudo(8) itself is kept from working by its PAM stack.
func (h *Host) sudoBroken() bool {
	s, err := h.loader(nil).Load("sudo")
	return err == nil && (len(s.Faults) > 0 || s.Try(pamstack.Account, pamstack.Local, h.pamFacts()).Result != pamstack.Success)
}

// inOrder puts a wrong clock first, because nothing that is said about certificates and
// codes counts before it is right, and says nothing twice.
func inOrder(all []report.Finding) []report.Finding {
	said := map[string]bool{}
	better := slices.ContainsFunc(all, func(f report.Finding) bool { return f.Cause != "" && (oneServers(f.Cause) || atServer(f.Cause)) })
	cannotStart := slices.ContainsFunc(all, func(f report.Finding) bool { return keepsFromStarting(f.Cause) })
	all = slices.DeleteFunc(all, func(f report.Finding) bool {
		if f.Cause == "" {
			return false
		}
		if f.Cause == string(trouble.UnitFailed) && cannotStart {
			return true // its last words are the finding that is there already
		}
		if f.Cause == string(trouble.ConnectionBroken) && better {
			return true // what the daemon saw first; the cause is known by now
		}
		key := f.Cause
		if f.Cause != string(trouble.ClockWrong) && !oneServers(f.Cause) {
			key += f.Detail
		}
		twice := said[key]
		said[key] = true
		return twice
	})
	slices.SortStableFunc(all, func(a, b report.Finding) int {
		first := func(f report.Finding) int {
			if f.Cause == string(trouble.ClockWrong) {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	return all
}

// keepsFromStarting are causes for which the daemon cannot start.
func keepsFromStarting(cause string) bool {
	for _, id := range []trouble.ID{
		trouble.ConfigWrong, trouble.ConfigMistyped, trouble.ConfigUnreadable, trouble.ConfigMissing, trouble.FolderClosed,
		trouble.FileUnreadable, trouble.FileOwner, trouble.FileMissing, trouble.UserMissing, trouble.StateReadOnly,
	} {
		if cause == string(id) {
			return true
		}
	}
	return false
}

// atServer are causes that the server itself named.
func atServer(cause string) bool {
	for _, id := range []trouble.ID{trouble.ServerFull, trouble.MachineRemoved, trouble.MachineShutOut, trouble.TokenRefused, trouble.OtherRealm} {
		if cause == string(id) {
			return true
		}
	}
	return false
}

// oneServers are causes that daemon and doctor each find by themselves, in nearly the same
// words.
func oneServers(cause string) bool {
	for _, id := range []trouble.ID{
		trouble.CertExpired, trouble.CertNotYet, trouble.CertUnknown, trouble.CertName, trouble.NoDNS, trouble.DNSDown, trouble.Refused,
		trouble.Timeout, trouble.NoRoute, trouble.Filtered, trouble.NotTLS, trouble.Proxy, trouble.ServerFault,
	} {
		if cause == string(id) {
			return true
		}
	}
	return false
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
