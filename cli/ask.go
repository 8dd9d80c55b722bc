package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/doctor"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// controlPath follows the configuration, and the default where it cannot be read.
func controlPath(path string) string {
	if path == "" {
		path = config.DefaultPath
	}
	run := config.Defaults().Paths.Run
	if c, err := config.Load(path); err == nil {
		run = c.Paths.Run
	}
	return filepath.Join(run, "control.sock")
}

func status(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		s, err := control.One[report.Status](ctx, in.daemon(), report.VerbStatus, nil)
		if errors.Is(err, identity.ErrUnavailable) && *in.json {
			found := a.host(in).Unreachable(ctx, err)
			return errors.Join(a.show(in, report.Status{Findings: found}, nil), fmt.Errorf("status: %w", err))
		}
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if err := a.show(in, s, func(w io.Writer) { printStatus(w, s, a.Now()) }); err != nil {
			return err
		}
		if doctor.Worst(s.Findings) == report.Problem {
			return errSaid
		}
		return nil
	}
}

// host is this machine, for doctor.
func (a *App) host(in *invocation) *doctor.Host {
	return &doctor.Host{ConfigPath: *in.config, Now: a.Now}
}

func printStatus(w io.Writer, s report.Status, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush() //nolint:errcheck // standard output
	fmt.Fprintf(t, "realm\t%s\n", s.Realm)
	fmt.Fprintf(t, "machine\t%s\n", s.Machine)
	fmt.Fprintf(t, "daemon\tversion %s, up %s\n", s.Version, span(now.Sub(s.Started)))
	for _, p := range s.Providers {
		fmt.Fprintf(t, "server\t%s\n", p.Name)
		line := fmt.Sprintf("%s for %s", p.State, span(now.Sub(p.Since)))
		if p.LastContact != nil && p.State != "online" {
			line += fmt.Sprintf("; last contact %s ago", span(now.Sub(*p.LastContact)))
		}
		fmt.Fprintf(t, "\t%s\n", line)
		if p.LastError != "" && p.State != "online" {
			fmt.Fprintf(t, "\twhy: %s\n", p.LastError)
		}
		if p.Alarm != "" {
			fmt.Fprintf(t, "\tALARM: %s\n", p.Alarm)
		}
		printServers(t, p, now)
		whole := "all accounts of the realm are known here"
		if !p.Complete {
			whole = "not all accounts of the realm are known here yet"
		}
		if slices.Contains(p.Missing, "list") {
			whole = "known here are people who signed in or were looked up"
		}
		fmt.Fprintf(t, "\t%s\n", whole)
		for _, m := range p.Missing {
			fmt.Fprintf(t, "\tit cannot %s\n", inWords(m))
		}
		for _, r := range p.Refused {
			fmt.Fprintf(t, "refused\t%s: %s\n", r.Name, r.Reason)
		}
		for _, r := range p.LeftOut {
			fmt.Fprintf(t, "left out\t%s: %s\n", r.Name, r.Reason)
		}
	}
	fmt.Fprintf(t, "remembers\taccounts: %d; able to log in offline: %d\n", s.Cache.Accounts, s.Cache.Verifiers)
	if s.Cache.Groups > 0 {
		fmt.Fprintf(t, "\tgroups that were asked for: %d\n", s.Cache.Groups)
	}
	if s.Cache.Rebuilt != "" {
		fmt.Fprintf(t, "\tthe database was damaged and made anew: %s\n", s.Cache.Rebuilt)
	}
	printDirectory(t, s.Directory, now)
	fmt.Fprintf(t, "sealed by\t%s\n", strings.TrimSpace(s.Seal.Kind+" "+s.Seal.Detail))
	printCardService(t, s.Cards)
	for _, f := range s.Findings {
		fmt.Fprintf(t, "%s\t%s\n", f.Severity, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(t, "\tdo: %s\n", f.Mend)
		}
	}
}

// printServers shows each of several servers of a realm.
func printServers(w io.Writer, p report.Provider, now time.Time) {
	for _, s := range p.Servers {
		line := s.State
		if s.Since != nil {
			line += " for " + span(now.Sub(*s.Since))
		}
		if s.InUse {
			line += ", in use"
		}
		if s.FromRealm {
			line += ", named by the realm"
		}
		fmt.Fprintf(w, "\t%s: %s\n", s.URL, line)
		if s.Why != "" {
			fmt.Fprintf(w, "\t  why: %s\n", s.Why)
		}
	}
	if p.ServersIgnored != "" {
		fmt.Fprintf(w, "\tthe realm's list of servers is ignored: %s\n", p.ServersIgnored)
	}
}

// inWords is what a provider cannot do, and what comes of it.
func inWords(missing string) string {
	switch missing {
	case "list":
		return "list the realm: an unknown name is asked for each time"
	case "watch":
		return "tell of changes: they are seen at the next login, or as entries age"
	case "find groups":
		return "find groups: a group without a member who is known here has no name here"
	case "change password":
		return "change a password for a machine: people do it on the server"
	case "offline codes":
		return "let one-time codes be checked offline: people with a code need the network"
	case "requests":
		return "take requests: \"sallyport ssh\" does not work with it"
	case "identity service":
		return "vouch for people to other services: \"sallyport identity\" does not work with it"
	case "verify":
		return "keep keys to verify people with: \"sallyport verify\" does not work with it"
	default:
		return missing
	}
}

func examine(a *App, in *invocation) command.Action {
	root := in.String("root", "", "examine the host below this `folder`")
	return func(ctx context.Context) error {
		h := a.host(in)
		h.Root = *root
		found := h.Examine(ctx)
		worst := doctor.Worst(found)
		if err := a.show(in, found, func(w io.Writer) { printFindings(w, found) }); err != nil {
			return err
		}
		if worst == report.Problem {
			return errSaid
		}
		return nil
	}
}

// marks are what stands in front of a finding.
func mark(s report.Severity) string {
	switch s {
	case report.OK:
		return "ok     "
	case report.Note:
		return "note   "
	case report.Warning:
		return "WARNING"
	default:
		return "PROBLEM"
	}
}

func printFindings(w io.Writer, found []report.Finding) {
	for _, f := range found {
		fmt.Fprintf(w, "%s  %s: %s\n", mark(f.Severity), f.Check, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(w, "         do: %s\n", f.Mend)
		}
	}
}

func cacheList(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		all := []report.CachedAccount{}
		err := in.daemon().Ask(ctx, report.VerbCacheList, nil, func(b json.RawMessage) error {
			var c report.CachedAccount
			if err := json.Unmarshal(b, &c); err != nil {
				return fmt.Errorf("cache list: %w", err)
			}
			all = append(all, c)
			return nil
		})
		if err != nil {
			return fmt.Errorf("cache list: %w", err)
		}
		return a.show(in, all, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush() //nolint:errcheck // standard output
			fmt.Fprintln(t, "NAME\tUID\tSTATE\tFETCHED\tOFFLINE\tKEYS")
			for _, c := range all {
				offline := "no"
				if c.Verifier {
					offline = "yes"
				}
				fmt.Fprintf(t, "%s\t%d\t%s\t%s ago\t%s\t%d\n", c.Name, c.UID, c.State, span(a.Now().Sub(c.Fetched)), offline, c.Keys)
			}
		})
	}
}

// do asks for something that has no answer but yes or no, of the one whose name was given
// if any was.
func do(a *App, in *invocation, verb, done string) command.Action {
	return func(ctx context.Context) error {
		var args any
		if len(in.Names()) == 1 {
			args = report.NameArgs{Name: in.Name(0)}
			done = fmt.Sprintf(done, spoken(in.Name(0)))
		}
		if err := in.daemon().Ask(ctx, verb, args, func(json.RawMessage) error { return nil }); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		return a.show(in, map[string]bool{"done": true}, func(w io.Writer) { fmt.Fprintln(w, done) })
	}
}

func cacheForget(a *App, in *invocation) command.Action {
	return do(a, in, report.VerbCacheForget, "%s is forgotten here; the next question asks the server.")
}

func cacheClear(a *App, in *invocation) command.Action {
	return do(a, in, report.VerbCacheClear, "All accounts are forgotten here. Each person must log in online once before they can log in offline.")
}

func cacheRefresh(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		var args any
		if len(in.Names()) == 1 {
			args = report.NameArgs{Name: in.Name(0)}
		}
		var all report.Refreshed
		told := true
		err := in.daemon().Ask(ctx, report.VerbCacheRefresh, args, func(b json.RawMessage) error {
			var r report.Refreshed // of one realm
			if err := json.Unmarshal(b, &r); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			all.Accounts, all.Groups, all.Gone = all.Accounts+r.Accounts, all.Groups+r.Groups, all.Gone || r.Gone
			told = told && r.Told
			return nil
		})
		if err != nil {
			return fmt.Errorf("cache refresh: %w", err)
		}
		all.Told = told
		return a.show(in, all, func(w io.Writer) {
			switch {
			case all.Gone:
				fmt.Fprintf(w, "%s is not on the server any more, and forgotten here.\n", spoken(in.Name(0)))
			case len(in.Names()) == 1:
				fmt.Fprintf(w, "%s is here as the server has it now.\n", spoken(in.Name(0)))
			case all.Told:
				fmt.Fprintln(w, "The server tells this machine of every change; there is nothing to fetch.")
			default:
				fmt.Fprintf(w, "Being fetched anew: %d accounts, %d groups. They are answered as before meanwhile.\n", all.Accounts, all.Groups)
			}
		})
	}
}

func unlock(a *App, in *invocation) command.Action {
	return do(a, in, report.VerbUnlock, "%s may try again.")
}

// spoken is a name as a terminal may show it.
func spoken(name string) string { return report.Spoken(name) }

// span is a length of time for people: its largest unit, rounded down.
func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"days", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= 2*u.d || (u.name != "days" && d >= u.d) {
			return fmt.Sprintf("%d %s", d/u.d, u.name)
		}
	}
	return fmt.Sprintf("%d s", max(d, 0)/time.Second)
}
