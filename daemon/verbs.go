package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// verb is a row of what control.sock answers. Package report has the arguments and answers.
type verb struct {
	name string
	// root: nobody else may ask. Where it is not set the handler decides: most are for
	// people about themselves.
	root   bool
	realms answering
	run    handler
}

// handler runs one verb. The method expressions below are all of this type.
type handler func(d *Daemon, ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error

// answering says which realms answer, where this machine has several.
type answering int

const (
	// ofTheAccount is the realm of the account that is named, or else of the caller's own.
	ofTheAccount answering = iota
	// ofEach is every one of them in turn.
	ofEach
	// ofEachUnlessNamed is every one where no account is named.
	ofEachUnlessNamed
	// ofAllInOne is one answer, put together from those of all.
	ofAllInOne
)

// verbs are all of them.
func verbs() []verb {
	return []verb{
		{report.VerbStatus, false, ofAllInOne, (*Daemon).handleStatus},
		{report.VerbExplain, false, ofTheAccount, (*Daemon).handleExplain},
		{report.VerbWhoami, false, ofTheAccount, (*Daemon).handleWhoami},
		{report.VerbDrop, false, ofTheAccount, (*Daemon).handleDrop},
		{report.VerbUnlock, true, ofTheAccount, withAccount((*Daemon).Unlock)},
		{report.VerbCacheList, true, ofEach, (*Daemon).handleCacheList},
		{report.VerbCacheForget, true, ofTheAccount, withAccount((*Daemon).ForgetAccount)},
		{report.VerbCacheClear, true, ofEach, (*Daemon).handleCacheClear},
		{report.VerbCacheRefresh, true, ofEachUnlessNamed, (*Daemon).handleCacheRefresh},
		{report.VerbCards, false, ofTheAccount, (*Daemon).handleCards},
		{report.VerbEnrolTOTP, false, ofTheAccount, secretly(enrolling(identity.TOTP))},
		{report.VerbEnrolCodes, false, ofTheAccount, secretly(enrolling(identity.BackupCode))},
		{report.VerbEnrolPIV, false, ofTheAccount, secretly((*Daemon).enrolPIV)},
		{report.VerbEnrolCard, false, ofTheAccount, secretly((*Daemon).enrolCard)},
		{report.VerbEnrolPIVDone, false, ofTheAccount, secretly((*Daemon).enrolCardDone)},
		{report.VerbEnrolConfirm, false, ofTheAccount, secretly((*Daemon).enrolConfirm)},
		{report.VerbEnrolRemove, false, ofTheAccount, secretly((*Daemon).enrolRemove)},
		{report.VerbAsk, false, ofTheAccount, secretly((*Daemon).requestAsk)},
		{report.VerbRequest, false, ofTheAccount, secretly((*Daemon).requestShow)},
		{report.VerbRequests, false, ofTheAccount, secretly(requestVerb(nil, requestList))},
		{report.VerbWithdraw, false, ofTheAccount, secretly(requestVerb(nil, requestWithdraw))},
		{report.VerbDecide, false, ofTheAccount, secretly(requestVerb(decision, requestDecide))},
		{report.VerbCertify, false, ofTheAccount, secretly(requestVerb(nil, requestCertify))},
		{report.VerbIdentityBegin, false, ofTheAccount, secretly((*Daemon).identityBegin)},
		{report.VerbIdentityNext, false, ofTheAccount, secretly((*Daemon).identityNext)},
		{report.VerbIdentityWallet, false, ofTheAccount, secretly((*Daemon).identityWallet)},
		{report.VerbIdentityVerify, false, ofTheAccount, secretly((*Daemon).identityVerify)},
		{report.VerbIdentityDevices, false, ofTheAccount, secretly((*Daemon).identityDevices)},
		{report.VerbIdentityRevoke, false, ofTheAccount, secretly((*Daemon).identityRevoke)},
		{report.VerbVerifySetUp, false, ofTheAccount, secretly((*Daemon).verifySetUp)},
		{report.VerbVerifyKey, false, ofTheAccount, (*Daemon).verifyKey},
		{report.VerbVerifyCall, false, ofTheAccount, (*Daemon).verifyCall},
		{report.VerbVerifyHeard, false, ofTheAccount, secretly((*Daemon).verifyHeard)},
	}
}

// withAccount runs what is about the account that is named.
func withAccount(run func(*Daemon, context.Context, *directory.Entry) error) handler {
	return func(d *Daemon, ctx context.Context, _ identity.Peer, args []byte, _ func(any) error) error {
		e, err := d.named(args)
		if err != nil {
			return err
		}
		return run(d, ctx, e)
	}
}

// secretly clears the arguments, which hold secrets, in the end.
func secretly(run handler) handler {
	return func(d *Daemon, ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
		defer clear(args)
		return run(d, ctx, peer, args, emit)
	}
}

// enrolling begins to add a factor that takes nothing but the proof.
func enrolling(kind identity.FactorKind) handler {
	return func(d *Daemon, ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
		var a report.EnrolArgs
		if err := report.Decode(args, &a); err != nil {
			return err
		}
		return d.enrolBegin(ctx, peer, a, wish{enrol: kind}, emit)
	}
}

// allowedVerb finds a verb that the peer may ask for.
func allowedVerb(name string, peer identity.Peer) (verb, error) {
	all := verbs()
	at := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	switch {
	case at < 0:
		return verb{}, fmt.Errorf("%w: %q", report.ErrVerb, name)
	case all[at].root && peer.UID != 0:
		return verb{}, fmt.Errorf("%w: %q is for root", report.ErrForbidden, name)
	default:
		return all[at], nil
	}
}

// Handle answers one request of control.sock: emit is called with each item of the answer.
// Who may ask is decided by the peer's uid, as package report says. Its errors are
// report.ErrForbidden, report.ErrVerb and identity.ErrNotFound.
func (d *Daemon) Handle(ctx context.Context, peer identity.Peer, name string, args []byte, emit func(any) error) error {
	v, err := allowedVerb(name, peer)
	if err != nil {
		return err
	}
	return v.run(d, ctx, peer, args, emit)
}

// Handle is [Daemon.Handle], by the realms that the verb is for.
func (r *Realms) Handle(ctx context.Context, peer identity.Peer, name string, args []byte, emit func(any) error) error {
	v, err := allowedVerb(name, peer)
	if err != nil {
		return err
	}
	all := r.list()
	switch {
	case len(all) == 1:
		return v.run(all[0], ctx, peer, args, emit)
	case v.realms == ofAllInOne:
		return emit(r.status(ctx))
	case v.realms == ofEach, v.realms == ofEachUnlessNamed && len(args) == 0:
		for _, d := range all {
			if err := v.run(d, ctx, peer, args, emit); err != nil {
				return err
			}
		}
		return nil
	default:
		return v.run(r.targetRealm(ctx, peer, name, args), ctx, peer, args, emit)
	}
}

// targetRealm is the realm of the account that a request is about: the one that is named,
// or the caller's own. Where nobody has it, the first says so.
func (r *Realms) targetRealm(ctx context.Context, peer identity.Peer, verb string, args []byte) *Daemon {
	var named report.NameArgs
	if json.Unmarshal(args, &named) != nil {
		named.Name = "" // the one that is asked says what is wrong with it
	}
	all := r.list()
	at := slices.IndexFunc(all, func(d *Daemon) bool {
		if named.Name != "" {
			return d.RemembersName(named.Name)
		}
		return d.RemembersUID(peer.UID)
	})
	if at >= 0 {
		return all[at]
	}
	if verb == report.VerbExplain && peer.UID == 0 {
		return r.owningRealm(ctx, named.Name)
	}
	return all[0]
}
