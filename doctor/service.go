package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// lookDaemon asks the daemon for its own view, and finds out why where it does not answer.
func lookDaemon(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	s, err := h.askDaemon(ctx, c)
	if err != nil {
		f := h.judgeSilence(ctx, c, err)
		all := []report.Finding{f}
		for _, u := range lookUnit(ctx, h, c) {
			if u.Cause != f.Cause {
				all = append(all, u)
			}
		}
		return all
	}
	all := slices.Concat(s.Findings, lookUnit(ctx, h, c))
	if out, err := h.run(ctx, daemonPath, "--version"); err == nil && h.Root == "" {
		if here := lastWord(out); here != s.Version && here != "" {
			all = append(all, trouble.DaemonOld.Finding("RUNS", s.Version, "HERE", here))
		}
	}
	if !slices.ContainsFunc(all, func(f report.Finding) bool { return f.Check == "seal" }) {
		all = append(all, ok("secrets of this machine are sealed by %s: %s", s.Seal.Kind, s.Seal.Detail))
	}
	all = append(all, h.judgeCards(s.Cards)...)
	all = append(all, h.judgeSetGID(s.StrengthGated)...)
	for _, p := range s.Providers {
		switch {
		case p.State != "online":
			all = append(all, trouble.NotConnected.Finding("NAME", p.Name, "STATE", p.State, "SINCE", p.Since.Format(time.DateTime), "WHY", p.LastError))
		default:
			all = append(all, ok("the daemon is online at %s; accounts known here: %d", p.Name, s.Cache.Accounts))
		}
	}
	if s.Cache.Rebuilt != "" {
		all = append(all, finding(report.Warning, "keep or remove the old file; nobody needs it", "the database was damaged and made anew: %s", s.Cache.Rebuilt))
	}
	return all
}
