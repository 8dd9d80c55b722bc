package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Handle answers one request of control.sock: emit is called with each item of
// the answer. Who may ask is decided by the peer's uid, as package report says.
// Its errors are report.ErrForbidden, report.ErrVerb and identity.ErrNotFound.
func (d *Daemon) Handle(ctx context.Context, peer identity.Peer, verb string, args []byte, emit func(any) error) error {
	switch verb {
	case report.VerbStatus:
		return emit(d.status(ctx))
	case report.VerbExplain:
		return d.handleExplain(ctx, peer, args, emit)
	case report.VerbEnrolTOTP, report.VerbEnrolConfirm, report.VerbEnrolCodes, report.VerbEnrolRemove,
		report.VerbEnrolPIV, report.VerbEnrolCard, report.VerbEnrolPIVDone:
		return d.handleEnrol(ctx, peer, verb, args, emit)
	case report.VerbCards:
		return d.handleCards(ctx, peer, emit)
	case report.VerbDrop:
		return d.handleDrop(peer, args, emit)
	case report.VerbWhoami:
		return d.handleWhoami(peer, args, emit)
	case report.VerbCacheList, report.VerbCacheForget, report.VerbCacheClear, report.VerbCacheRefresh, report.VerbUnlock:
		if peer.UID != 0 {
			return fmt.Errorf("%w: %q is for root", report.ErrForbidden, verb)
		}
	default:
		return fmt.Errorf("%w: %q", report.ErrVerb, verb)
	}
	switch verb {
	case report.VerbCacheList:
		return d.cacheList(ctx, emit)
	case report.VerbCacheClear:
		return d.ForgetEverything(ctx)
	case report.VerbCacheRefresh:
		if len(args) == 0 {
			return emit(d.ForceRefresh())
		}
	}
	var a report.NameArgs
	if err := decode(args, &a); err != nil {
		return err
	}
	e, err := d.held(a.Name)
	if err != nil {
		return err
	}
	switch verb {
	case report.VerbUnlock:
		return d.unlock(ctx, e)
	case report.VerbCacheRefresh:
		r, err := d.RefreshAccount(ctx, e)
		if err != nil {
			return err
		}
		return emit(r)
	default:
		return d.ForgetAccount(ctx, e)
	}
}

func decode(args []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: arguments: %w", report.ErrVerb, err)
	}
	return nil
}

// held finds an account in memory, also one that a local name hides.
func (d *Daemon) held(typed string) (*directory.Entry, error) {
	name, err := d.Canonical(typed)
	if err == nil {
		if e := d.Directory().Named(name); e != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("account: %w", identity.ErrNotFound)
}

func (d *Daemon) handleExplain(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.ExplainArgs
	if err := decode(args, &a); err != nil {
		return err
	}
	if peer.UID != 0 {
		if e, err := d.held(a.Name); err != nil || e.Account().UID != peer.UID {
			return fmt.Errorf("%w: only root may ask about others", report.ErrForbidden)
		}
	}
	return emit(d.explainTo(ctx, a, peer.UID == 0))
}

// explain is what root is told.
func (d *Daemon) explain(ctx context.Context, a report.ExplainArgs) report.Explanation {
	return d.explainTo(ctx, a, true)
}

// explainTo takes the steps of the account phase and writes them down. Root is told what to
// do; others whom to ask.
func (d *Daemon) explainTo(ctx context.Context, a report.ExplainArgs, root bool) report.Explanation {
	q := question{typed: a.Name, service: a.Service}
	x := report.Explanation{Name: a.Name, Service: a.Service}
	r := d.ask(ctx, accountChecks(), &q, func(c check, r ruling) {
		f := report.Finding{Check: c.name, Severity: severity(r.code), Cause: string(r.cause), Detail: r.detail, Mend: r.mend}
		if r.cause != "" && root {
			f = r.cause.Finding(r.places...)
			f.Check, f.Severity = c.name, severity(r.code)
		}
		x.Steps = append(x.Steps, f)
	})
	x.MayLogin = r.code == identity.Granted
	if q.e == nil || r.code == identity.NotOurs {
		return x
	}
	account := d.describe(q.e)
	x.Account = &account
	for _, f := range q.e.Factors() {
		x.Factors = append(x.Factors, string(f.Kind))
	}
	x.Password = d.explainPassword(q.e)
	x.Offline, x.Locked, x.Locks = d.explainOffline(ctx, q.e)
	x.StepUp, x.Limits = d.explainStepUp(a.Service, q.e), d.explainLimits(q.e)
	if r.code == identity.Granted {
		d.explainVerdict(ctx, q.e, &x) // its steps are no part of the decision
	}
	// Who may not log in at all is not told what else is in the way offline.
	if r.code != identity.Granted {
		x.Offline.Possible, x.Offline.Reason = false, r.detail
	}
	return x
}

func (d *Daemon) explainOffline(ctx context.Context, e *directory.Entry) (*report.Offline, *time.Time, []report.Lock) {
	_, r := d.mayOffline(ctx, e)
	a := d.ageOf(e)
	o := &report.Offline{Possible: r.code == identity.Granted, LastChecked: &a.checked}
	if !o.Possible {
		o.Reason = r.detail
	}
	if a.limit > 0 && a.within {
		o.Left = more(a.limit - a.old)
	}
	if a.limit > 0 {
		until := a.checked.Add(a.limit)
		o.Until = &until
	}
	all, err := d.o.Cache.AllFailures(ctx, e.Account().UUID)
	if err != nil {
		o.Possible, o.Reason = false, err.Error()
		return o, nil, nil
	}
	for _, f := range all {
		most := map[string]*int{kindOffline: &o.Failures, kindCode: &o.CodeFailures, kindCard: &o.CardFailures, kindPIN: &o.PINFailures}[f.Kind]
		if most != nil && f.Origin != "" {
			*most = max(*most, int(f.Count))
		}
	}
	var locks []report.Lock
	for _, f := range d.locksOf(all) {
		locks = append(locks, report.Lock{Factor: f.Kind, Origin: f.Origin, Until: f.LockedUntil, Failures: int(f.Count)})
	}
	if len(locks) == 0 {
		return o, nil, nil
	}
	return o, &locks[0].Until, locks
}

func (d *Daemon) describe(e *directory.Entry) report.Account {
	a := report.Account{
		UUID: e.Account().UUID, Name: e.Account().Name, UID: e.Account().UID, GID: e.Account().GID,
		FullName: e.Account().FullName, Home: e.Account().Home, Shell: e.Account().Shell,
		State: e.State().String(), Keys: e.Keys(), Revision: e.Revision(), Groups: []identity.Name{},
	}
	for _, g := range d.Directory().GroupsOf(e) {
		a.Groups = append(a.Groups, g.Name)
	}
	return a
}

func (d *Daemon) cacheList(ctx context.Context, emit func(any) error) error {
	has, err := d.o.Cache.Verifiers(ctx)
	if err != nil {
		return fmt.Errorf("cache list: %w", err)
	}
	all := d.Directory().All()
	slices.SortFunc(all, func(a, b *directory.Packed) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, p := range all {
		e := d.Directory().WithUUID(p.UUID())
		if e == nil {
			continue // gone meanwhile
		}
		if err := emit(report.CachedAccount{Account: d.describe(e), Fetched: e.Fetched(), Verifier: has[e.Account().UUID]}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) unlock(ctx context.Context, e *directory.Entry) error {
	release, err := d.tries.lock(ctx, e.Account().UUID)
	if err != nil {
		return err
	}
	defer release()
	if err := d.o.Cache.ClearFailures(ctx, e.Account().UUID); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// countVerifiers is zero when the cache cannot be read; status says why.
func (d *Daemon) countVerifiers(ctx context.Context) (map[uuid.UUID]bool, error) {
	has, err := d.o.Cache.Verifiers(ctx)
	if err != nil {
		return nil, errors.Join(errors.New("the cache cannot be read"), err)
	}
	return has, nil
}
