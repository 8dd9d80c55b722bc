package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Report is what "sallyport status" shows; anybody may ask for it.
func (d *Realm) Report(ctx context.Context) report.Status {
	l := d.Link().View()
	has, err := d.countVerifiers(ctx)
	all := d.Directory().All()
	p := report.Provider{
		Name: d.o.Provider.Name(), Realm: d.o.Realm, State: l.State.String(), Since: l.Since, LastError: l.LastErr, Alarm: l.Alarm,
		Complete: d.Contact().Complete, Position: d.Contact().Position, Refused: d.allRefused(all),
		LeftOut: d.LeftOut(),
	}
	if at, ever := d.LastHeard(); ever {
		p.LastContact = &at
	}
	d.historyStatus(&p)
	d.servers(&p)
	for _, c := range d.capabilities() {
		if c.has {
			p.Capabilities = append(p.Capabilities, c.name)
		} else {
			p.Missing = append(p.Missing, c.name)
		}
	}
	s := report.Status{
		Version: d.o.Version, Started: d.Started(), Machine: d.o.Machine, Realm: d.o.Realm,
		Providers: []report.Provider{p},
		Cache:     report.Cache{Path: d.o.Cache.Path(), Accounts: len(all), Groups: d.Directory().CountOnDemand(), Verifiers: d.o.Able(ctx, has), Rebuilt: d.o.Cache.Rebuilt()},
		Seal:      report.Seal{Kind: d.o.Sealer.Kind(), Detail: d.o.SealDetail},
	}
	s.StrengthGated = d.Directory().StrengthGated()
	s.Directory, s.Cards = d.directory(), d.o.Reader.Status(ctx)
	s.Findings = slices.Concat(d.sealFindings(), d.identityFindings(), d.findings(l, p, err), d.fleetFindings(p), d.historyFindings(), d.lockFindings(ctx), d.o.Reader.Findings(ctx, l.State == resolver.Online),
		d.directoryFindings(s.Directory), d.serverFindings(ctx))
	return s
}

type capability struct {
	name string
	has  bool
}

func (d *Realm) capabilities() []capability {
	lists, watches := d.Capable()
	_, finds := d.Finder()
	return []capability{{"list", lists}, {"watch", watches}, {"find groups", finds || lists}, {"change password", d.o.Provider.PasswordChanger != nil}, {"offline codes", d.o.Codes.Given()}, {"requests", d.o.Provider.Requester != nil}, {"identity service", d.o.Provider.IdentityService != nil}, {"verify", d.o.Provider.Verifier != nil}}
}

// allRefused adds to what was refused on arrival what this machine hides now.
func (d *Realm) allRefused(all []*directory.Packed) []report.Refusal {
	list := d.Refused()
	l, err := d.Files().Now()
	for _, p := range all {
		if err == nil && l.HidesPacked(p) {
			list = append(list, report.Refusal{Name: string(p.Name()), Reason: hiddenWhy(l, p)})
		}
	}
	list = append(list, d.RefusedGroups()...)
	list = append(list, d.subordinateGroups(l)...)
	for _, g := range d.Directory().Problems() {
		list = append(list, report.Refusal{Name: "group " + string(g.Name), Reason: g.Problem()})
	}
	return list
}

func (d *Realm) findings(l resolver.LinkView, p report.Provider, cacheErr error) []report.Finding {
	var list []report.Finding
	add := func(when bool, check string, s report.Severity, detail, mend string) {
		if when {
			list = append(list, report.Finding{Check: check, Severity: s, Detail: detail, Mend: mend})
		}
	}
	if f, unready := d.unready(); unready {
		list = append(list, f)
	} else if f := l.Cause; f.Cause != "" && l.State != resolver.Online {
		f.Check = "server"
		f.Detail, f.Mend = d.fill(f.Detail), d.fill(f.Mend)
		list = append(list, f)
	} else {
		add(l.Alarm != "", "server", report.Problem, l.Alarm, l.Mend)
		add(l.RefusedBy != "", "machine", report.Problem, "The server refuses this machine: "+l.RefusedBy, "Join it again: sallyport join.")
		if l.State == resolver.Offline && l.Alarm == "" && l.RefusedBy == "" {
			list = append(list, d.atServer(trouble.ConnectionBroken, "ADDRESS", d.o.Provider.Name(), "WHY", l.LastErr))
		}
	}
	add(cacheErr != nil, "cache", report.Problem, fmt.Sprint(cacheErr), "Look at the log of sallyportd.")
	add(d.Unstored(), "cache", report.Problem, "Not all that the server said could be stored.", "Free some disk space.")
	if !d.o.Policy.AllowAll && len(d.o.Policy.AllowGroups) == 0 {
		f := trouble.NobodyAllowed.Finding()
		f.Check = "policy"
		list = append(list, f)
	}
	add(len(d.o.Policy.IDs) == 0, "policy", report.Problem, "No range of ids is allowed, so no account is accepted.", "Set a range of ids in the configuration.")
	add(d.o.Cache.Rebuilt() != "", "cache", report.Warning, "The cache was damaged and moved to "+d.o.Cache.Rebuilt()+".",
		"Delete that file once nobody wants to look at it; people must log in online once.")
	add(len(p.Refused) > 0, "refused", report.Warning, fmt.Sprintf("%d accounts or groups are refused here.", len(p.Refused)),
		"See the list of refused accounts and its reasons.")
	add(len(p.LeftOut) > 0, "left out", report.Note, fmt.Sprintf("Parts of %d accounts are left out here, or made safe.", len(p.LeftOut)),
		"See the list; correct them at the server.")
	why := d.o.Codes.Problem()
	add(why != "" && l.State == resolver.Online, "seal", report.Warning, "The server does not know this machine's sealing key, so no one-time code can be checked offline: "+why,
		"Look at the log of sallyportd, and start it again.")
	if t := d.o.Provider.SSHTrust; t != nil && t.CertificatesOnly() {
		f := trouble.SSHCertificatesOnly.Finding()
		f.Check, f.Detail, f.Mend = "ssh", d.fill(f.Detail), d.fill(f.Mend)
		list = append(list, f)
	}
	by := d.Clock().Behind()
	if by > offline.ClockTrouble {
		f := trouble.ClockBehind.Finding("BY", report.Friendly(by))
		f.Check = "clock"
		list = append(list, f)
	}
	return list
}

// fill puts in what the resolver knows: the name of the configuration, and of this machine
// at the server.
func (d *Realm) fill(text string) string {
	name := "NAME"
	if v := d.verdict.Load(); v != nil && v.Machine != "" {
		name = v.Machine
	}
	return strings.NewReplacer("{FILE}", trouble.ConfigFile, "{NAME}", name).Replace(text)
}

// hiddenWhy says what hides an account.
func hiddenWhy(l directory.Local, p *directory.Packed) string {
	if l.IsAhead(p.Name()) {
		return "its name is that of an account of a realm that comes first"
	}
	if a := p.Account(); l.IsSubordinate(a.UID, a.GID) {
		return fmt.Sprintf("its uid %d or gid %d lies in a range of /etc/subuid or /etc/subgid, whose owner could become it: move that range, or the realm's ids", a.UID, a.GID)
	}
	return "its name or uid is a local account's, or its gid a local group's"
}

// subordinateGroups are the groups that are left out because their gid is one that
// /etc/subgid gives to somebody.
func (d *Realm) subordinateGroups(l directory.Local) []report.Refusal {
	var list []report.Refusal
	for _, g := range d.Directory().Subordinate(l) {
		list = append(list, report.Refusal{
			Name: "group " + string(g.Name), Reason: fmt.Sprintf("its gid %d lies in a range of /etc/subgid, whose owner could become it", g.GID),
		})
	}
	slices.SortFunc(list, func(a, b report.Refusal) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// identityFindings say that another machine has, or may have, this one's identity.
func (d *Realm) identityFindings() []report.Finding {
	const mend = "Find the copy. On the server \"sallyport-server machine rejoin NAME\" gives a code; join this machine with it, and from then on " +
		"the copy is shut out. The copy joins under a name of its own."
	var list []report.Finding
	if d.Duplicated() {
		list = append(list, report.Finding{
			Check: "identity", Severity: report.Problem, Mend: mend,
			Detail: "Two machines are online under this one's name: one of them is a copy of the other, or somebody has this machine's key.",
		})
	}
	if d.o.Codes.Foreign() {
		list = append(list, report.Finding{
			Check: "identity", Severity: report.Problem, Mend: mend,
			Detail: "The server has sealed a one-time code for this machine to another key than this machine's, so it was not kept. " +
				"Somebody else has told the server a key in this machine's name, for example a copy of its disk.",
		})
	}
	return list
}

// sealFindings are troubles of the seal.
func (d *Realm) sealFindings() []report.Finding {
	if t, can := d.o.Sealer.(interface{ Trouble() error }); can {
		if err := t.Trouble(); err != nil {
			return []report.Finding{{
				Check: "seal", Severity: report.Problem, Detail: "Secrets of this machine cannot be used, so nobody can log in offline: " + err.Error(),
				Mend: "Do what it says; logins with the server go on meanwhile.",
			}}
		}
	}
	if d.o.SealMend != "" {
		return []report.Finding{{
			Check: "seal", Severity: report.Note, Detail: "Secrets are sealed by a " + d.o.Sealer.Kind() + ", " + d.o.SealDetail + ".", Mend: d.o.SealMend,
		}}
	}
	return nil
}

// lockFindings tell that something is locked, and not whose: anyone may read status.
func (d *Realm) lockFindings(ctx context.Context) []report.Finding {
	now := d.Clock().Now()
	n, until, err := d.o.Cache.Locks(ctx, now)
	if err != nil || n == 0 {
		return nil
	}
	who := "an account"
	if n > 1 {
		who = fmt.Sprintf("%d accounts", n)
	}
	return []report.Finding{{
		Check: "locks", Severity: report.Note,
		Detail: "Wrong answers have locked " + who + " for attempts from some places, for " + report.Friendly(until.Sub(now)) + " at most.",
		Mend:   "\"sudo sallyport explain NAME\" says from where; \"sudo sallyport unlock NAME\" lifts it.",
	}}
}

// countVerifiers is zero when the cache cannot be read; status says why.
func (d *Realm) countVerifiers(ctx context.Context) (map[uuid.UUID]bool, error) {
	has, err := d.o.Cache.Verifiers(ctx)
	if err != nil {
		return nil, errors.Join(errors.New("the cache cannot be read"), err)
	}
	return has, nil
}
