package status

import (
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// servers fills in how each of several servers is.
func (d *Realm) servers(p *report.Provider) {
	fleet := d.o.Provider.Fleet
	if fleet == nil {
		return
	}
	p.ServersIgnored = fleet.ServersIgnored()
	for _, s := range fleet.Servers() {
		r := report.Server{URL: s.URL, State: s.State, InUse: s.InUse, Untrusted: s.Untrusted, Older: s.Older, FromRealm: s.FromRealm}
		if !s.Since.IsZero() {
			since := s.Since.UTC().Truncate(time.Second)
			r.Since = &since
		}
		if s.Down != nil {
			r.Why = s.Down.Error()
			if f, known := provider.Trouble(s.Down, "server "+s.URL); known {
				r.Why = d.fill(f.Detail)
			}
		}
		p.Servers = append(p.Servers, r)
	}
}

// fleetFindings are troubles of servers that are not needed while others answer: where
// none does, that is the link's to tell.
func (d *Realm) fleetFindings(p report.Provider) []report.Finding {
	var list []report.Finding
	add := func(id trouble.ID, places ...string) {
		f := id.Finding(places...)
		f.Check = "server"
		list = append(list, f)
	}
	for _, s := range p.Servers {
		switch {
		case s.Untrusted:
			add(trouble.Unproved, "URL", s.URL, "WHY", s.Why)
		case s.Older:
			add(trouble.OlderCopy, "URL", s.URL)
		case s.State != "up" && s.Since != nil && d.Link().Now() == resolver.Online:
			add(trouble.OneServerDown, "URL", s.URL, "SINCE", report.Friendly(d.o.Now().Sub(*s.Since)), "WHY", s.Why)
		}
	}
	if p.ServersIgnored != "" {
		add(trouble.ServersIgnored, "WHY", p.ServersIgnored)
	}
	return list
}

// explainFleet says which of several servers is used, and what is wrong with the others.
func (d *Realm) explainFleet(add func(report.Finding)) {
	var p report.Provider
	d.servers(&p)
	for _, s := range p.Servers {
		if s.InUse {
			add(report.Finding{Check: "server", Severity: report.OK, Detail: fmt.Sprintf("%s is used, of %d servers of the realm", s.URL, len(p.Servers))})
		}
	}
	for _, f := range d.fleetFindings(p) {
		add(f)
	}
}
