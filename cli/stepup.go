package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

func drop(a *App, in *invocation) command.Action {
	session := in.Bool("session", false, "only what was proved in this login session")
	name := in.String("user", "", "`name` of another account; for root only")
	return func(ctx context.Context) error {
		args := report.DropArgs{Name: *name}
		if *session {
			s, err := here("/proc")
			if err != nil {
				return fmt.Errorf("drop: %w", err)
			}
			args.Session = &s
		}
		d, err := control.One[report.Dropped](ctx, in.daemon(), report.VerbDrop, args)
		if err != nil {
			return fmt.Errorf("drop: %w", err)
		}
		return a.show(in, d, func(w io.Writer) {
			if d.Proofs == 0 {
				fmt.Fprintln(w, "Nothing was remembered; the next sudo asks.")
				return
			}
			fmt.Fprintf(w, "Forgotten: %d. The next sudo asks.\n", d.Proofs)
		})
	}
}

func whoami(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		s, err := here("/proc")
		if err != nil {
			return fmt.Errorf("whoami: %w", err)
		}
		who, err := control.One[report.Whoami](ctx, in.daemon(), report.VerbWhoami, report.WhoamiArgs{Session: s, Groups: gids()})
		if err != nil {
			return fmt.Errorf("whoami: %w", err)
		}
		return a.show(in, who, func(w io.Writer) { printWhoami(w, who, a.Now()) })
	}
}

func printWhoami(w io.Writer, who report.Whoami, now time.Time) {
	names := make([]string, len(who.Account.Groups))
	for i, g := range who.Account.Groups {
		names[i] = string(g)
	}
	fmt.Fprintf(w, "%s, uid %d; groups: %s\n", who.Account.Name, who.Account.UID, strings.Join(names, " "))
	for _, g := range who.Earned {
		if g.Here {
			fmt.Fprintf(w, "earned by this session, until its last process ends: the group %s\n", g.Name)
		} else {
			fmt.Fprintf(w, "not earned by this session: the group %s, which takes %s at login\n", g.Name, g.Takes)
		}
	}
	if len(who.Proofs) == 0 {
		fmt.Fprintln(w, "nothing is proved in this session and terminal; the next sudo asks")
	}
	for _, p := range who.Proofs {
		printProof(w, p, now)
	}
}

func printProof(w io.Writer, p report.Proof, now time.Time) {
	where := ""
	if p.Offline {
		where = ", offline"
	}
	fmt.Fprintf(w, "proved %s ago%s: %s\n", span(now.Sub(p.At)), where, strings.Join(p.Factors, " and "))
	for _, g := range p.Groups {
		fmt.Fprintf(w, "  earns: the group %s\n", g)
	}
	for _, s := range p.Services {
		if s.Until != nil {
			fmt.Fprintf(w, "  %s: does not ask for %s more\n", s.Service, span(s.Until.Sub(now)))
		} else {
			fmt.Fprintf(w, "  %s: asks: %s\n", s.Service, s.Reason)
		}
	}
}

func printStepUp(w io.Writer, service string, s *report.StepUp) {
	if s == nil {
		return
	}
	if !s.Required {
		fmt.Fprintf(w, "%s asks each time, for: %s\n", spoken(service), strings.Join(s.Demands, " and "))
		return
	}
	fmt.Fprintf(w, "%s takes a proof of at most %s: %s\n", spoken(service),
		span(time.Duration(s.MaxAgeSeconds)*time.Second), strings.Join(s.Demands, " and "))
	fmt.Fprintf(w, "sessions with such a proof now: %d\n", len(s.Proofs))
}

// gids are this process's supplementary groups; none where the kernel does not say.
func gids() []uint32 {
	list, err := os.Getgroups()
	if err != nil {
		return nil
	}
	ids := make([]uint32, len(list))
	for i, id := range list {
		ids[i] = uint32(id) //nolint:gosec // the kernel's are 32 bits
	}
	return ids
}

// here tells where this process runs, as pam_sallyport tells it of its host.
func here(proc string) (identity.LoginSession, error) {
	self, err := readStat(filepath.Join(proc, "self", "stat"))
	if err != nil {
		return identity.LoginSession{}, err
	}
	s := identity.LoginSession{Audit: identity.NoAuditSession, Terminal: self.terminal, Leader: self.pid, Started: self.started}
	if text, err := os.ReadFile(filepath.Join(proc, "self", "sessionid")); err == nil {
		if id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
			s.Audit = uint32(id)
		}
	}
	if self.terminal == 0 || self.session == 0 {
		return s, nil
	}
	if leader, err := readStat(filepath.Join(proc, strconv.FormatUint(uint64(self.session), 10), "stat")); err == nil {
		s.Leader, s.Started = leader.pid, leader.started
	}
	return s, nil
}

type stat struct {
	pid, session, terminal uint32
	started                uint64
}

// readStat reads what we need of /proc/PID/stat, see proc(5).
func readStat(path string) (stat, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return stat{}, fmt.Errorf("where this is: %w", err)
	}
	// The name in brackets may hold anything, brackets too.
	from, to := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return stat{}, fmt.Errorf("where this is: %s makes no sense", path)
	}
	f := strings.Fields(string(text[to+1:]))
	if len(f) < 20 {
		return stat{}, fmt.Errorf("where this is: %s makes no sense", path)
	}
	pid, err1 := strconv.ParseUint(string(text[:from]), 10, 32)
	session, err2 := strconv.ParseUint(f[3], 10, 32)
	terminal, err3 := strconv.ParseUint(f[4], 10, 32)
	started, err4 := strconv.ParseUint(f[19], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return stat{}, fmt.Errorf("where this is: %s: %w", path, err)
	}
	return stat{uint32(pid), uint32(session), uint32(terminal), started}, nil
}
