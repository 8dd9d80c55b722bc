package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

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

// self finds the account that a peer may speak of: its own, or for root the named.
func (d *Daemon) self(peer identity.Peer, name string) (*directory.Entry, error) {
	if name == "" {
		if e := d.Directory().WithUID(peer.UID); e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("uid %d is no account of the realm: %w", peer.UID, identity.ErrNotFound)
	}
	e, err := d.held(name)
	if peer.UID != 0 && (err != nil || e.Account().UID != peer.UID) {
		return nil, fmt.Errorf("%w: only root may do that for others", report.ErrForbidden)
	}
	return e, err
}

func (d *Daemon) handleStatus(ctx context.Context, _ identity.Peer, _ []byte, emit func(any) error) error {
	return emit(d.health.Report(ctx))
}

func (d *Daemon) handleExplain(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.ExplainArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	if peer.UID != 0 {
		if e, err := d.held(a.Name); err != nil || e.Account().UID != peer.UID {
			return fmt.Errorf("%w: only root may ask about others", report.ErrForbidden)
		}
	}
	return emit(d.explain(ctx, a, peer.UID == 0))
}

// explain is what the decision says, with what the server would say beside it. Root is
// told what to do; others whom to ask.
func (d *Daemon) explain(ctx context.Context, a report.ExplainArgs, root bool) report.Explanation {
	x := d.Explain(ctx, a, root)
	if x.MayLogin && x.Account != nil {
		d.health.ExplainVerdict(ctx, x.Account.Name, &x) // its steps are no part of the decision
	}
	return x
}

// handleDrop forgets proofs: root's word counts for anyone, others' for their own.
// Where somebody says they are is believed here, for they can only lose by it.
func (d *Daemon) handleDrop(_ context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.DropArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	e, err := d.self(peer, a.Name)
	if err != nil {
		return err
	}
	return emit(report.Dropped{Proofs: d.Drop(e, a.Session)})
}

// handleWhoami tells people what they have proved where they are.
func (d *Daemon) handleWhoami(_ context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.WhoamiArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	e, err := d.self(peer, "")
	if err != nil {
		return err
	}
	w := d.Whoami(e, a)
	w.Realm = d.o.Realm
	return emit(w)
}

func (d *Daemon) handleCacheList(ctx context.Context, _ identity.Peer, _ []byte, emit func(any) error) error {
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
		if err := emit(report.CachedAccount{Account: d.Describe(e), Fetched: e.Fetched(), Verifier: has[e.Account().UUID]}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) handleCacheClear(ctx context.Context, _ identity.Peer, _ []byte, _ func(any) error) error {
	return d.ForgetEverything(ctx)
}

func (d *Daemon) handleCacheRefresh(ctx context.Context, _ identity.Peer, args []byte, emit func(any) error) error {
	if len(args) == 0 {
		return emit(d.ForceRefresh())
	}
	e, err := d.named(args)
	if err != nil {
		return err
	}
	r, err := d.RefreshAccount(ctx, e)
	if err != nil {
		return err
	}
	return emit(r)
}

// named is the account that a request names.
func (d *Daemon) named(args []byte) (*directory.Entry, error) {
	var a report.NameArgs
	if err := report.Decode(args, &a); err != nil {
		return nil, err
	}
	return d.held(a.Name)
}
