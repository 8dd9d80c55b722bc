package status

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

const (
	// verdictWait is how long an explanation waits for the server's part of it.
	verdictWait = time.Second
	// verdictKept is for how long status goes by what the server said of itself: anyone
	// may ask for status, and nobody may make the machine ask all the time.
	verdictKept = 10 * time.Second
)

// heard is what the server said of itself, and when.
type heard struct {
	provider.Verdict
	at  time.Time
	err error
}

// askVerdict asks the server, bounded. It is false where the server cannot say.
func (d *Realm) askVerdict(ctx context.Context, name identity.Name) (provider.Verdict, bool, error) {
	g := d.o.Provider.VerdictGiver
	if g == nil {
		return provider.Verdict{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, verdictWait)
	defer cancel()
	v, err := g.Verdict(ctx, name)
	if err == nil || d.verdict.Load() == nil {
		d.verdict.Store(&heard{Verdict: v, at: time.Now(), err: err})
	}
	return v, true, err
}

// unready is what keeps the server from being asked at all.
func (d *Realm) unready() (report.Finding, bool) {
	f, is := provider.Trouble(d.o.Provider.Unready(), d.o.Provider.Name())
	f.Check = "server"
	return f, is
}

// serverFindings are what the server says of itself while it can be reached.
func (d *Realm) serverFindings(ctx context.Context) []report.Finding {
	h := d.verdict.Load()
	if d.Link().Now() == resolver.Online && (h == nil || time.Since(h.at) > verdictKept) {
		d.verdict.Store(&heard{at: time.Now()}) // one asks
		_, _, _ = d.askVerdict(ctx, "")         // a fault of the way is the link's to tell
		h = d.verdict.Load()
	}
	if h == nil || !h.DiskFull || d.Link().Now() != resolver.Online {
		return nil
	}
	return []report.Finding{d.atServer(trouble.ServerFull)}
}

// atServer is a finding about the server.
func (d *Realm) atServer(id trouble.ID, places ...string) report.Finding {
	_, url, _ := strings.Cut(d.o.Provider.Name(), " ")
	f := id.Finding(append(places, "URL", url)...)
	f.Check, f.Detail, f.Mend = "server", d.fill(f.Detail), d.fill(f.Mend)
	return f
}

// ExplainVerdict adds what the server would say. What it says decides nothing here; a
// lock that holds wherever the person comes from keeps them out all the same.
func (d *Realm) ExplainVerdict(ctx context.Context, name identity.Name, x *report.Explanation) {
	add := func(f report.Finding) { x.Steps = append(x.Steps, f) }
	if f, unready := d.unready(); unready {
		add(d.atServer(trouble.UnknownAtServer, "WHY", strings.TrimSuffix(f.Detail, ".")))
		return
	}
	if l := d.Link().View(); l.State != resolver.Online {
		why := l.LastErr
		if l.Cause.Cause != "" {
			why = d.fill(l.Cause.Detail)
		}
		if why == "" {
			why = "this machine is still connecting"
		}
		add(d.atServer(trouble.UnknownAtServer, "WHY", why))
		return
	}
	v, can, err := d.askVerdict(ctx, name)
	d.explainFleet(add)
	switch {
	case !can:
		return
	case err != nil:
		why := err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			why = "it did not answer within a second"
		}
		add(d.atServer(trouble.UnknownAtServer, "WHY", why))
		return
	case v.DiskFull:
		add(d.atServer(trouble.ServerFull))
		x.MayLogin = x.MayLogin && x.Offline != nil && x.Offline.Possible
	}
	for _, l := range v.Locks {
		left := l.Until.Sub(v.ServerTime)
		if left <= 0 {
			continue
		}
		from := report.From(l.Origin)
		if l.Realm {
			from = "from machines that the person has not signed in at before"
		}
		f := d.atServer(trouble.LockedAtServer, "FACTOR", lockedWord(l.Factor), "FROM", from, "LEFT", report.Friendly(left+time.Second-1), "NAME", string(name))
		if l.Origin != "" {
			f.Severity = report.Warning // other places are open
		} else if l.Factor == string(identity.Password) {
			x.MayLogin = false
		}
		add(f)
	}
	if len(v.Locks) == 0 && !v.DiskFull && v.Known {
		add(report.Finding{Check: "server", Severity: report.OK, Detail: "the server knows of no reason against it"})
	}
}

func lockedWord(factor string) string {
	switch factor {
	case "totp":
		return "one-time code"
	case "piv":
		return "card"
	default:
		return factor
	}
}
