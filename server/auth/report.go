package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// A server that only reads reports the wrong answers that it got, and the codes that were
// used there. A report adds and takes nothing away:
//
//	what                       counts                             and never
//	a wrong answer of a name   as here, at that machine and       brings a tally to where it
//	                           origin; once, and not if the       locks: the next one here does
//	                           name was unlocked since
//	a code                     its time step is used, of secrets  of a step to come
//	                           that the server holds
//
// So whoever takes such a server over locks nobody out by reports, and can at most have the
// codes of people refused whose secrets it holds.

// MaxReport is how much one report may hold.
const MaxReport = 256

// errNoReader: the caller is no server of the realm that only reads.
var errNoReader = connect.NewError(connect.CodeUnauthenticated,
	errors.New("this is no server of the realm, or it was removed from it"))

// Report implements ReportService.
func (e *Engine) Report(ctx context.Context, req *v1.ReportRequest) (*v1.ReportResponse, error) {
	key := realm.CallerOf(ctx).Key
	if key == nil {
		return nil, errNoReader
	}
	if len(req.GetEntries()) > MaxReport {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("at most %d entries in one report", MaxReport))
	}
	resp := &v1.ReportResponse{}
	err := e.Store.Write(ctx, func(tx *store.Tx) error {
		readers, err := tx.Readers()
		if err != nil {
			return err
		}
		at := slices.IndexFunc(readers, func(d store.Reader) bool { return key.Equal(d.Key) })
		if at < 0 {
			return errNoReader
		}
		resp.UpTo, err = e.takeReport(tx, readers[at], req.GetEntries())
		return err
	})
	if err != nil {
		return nil, e.Fault(ctx, "take a report", err)
	}
	return resp, nil
}

// takeReport takes what is new of a report, and returns up to where that reader has
// reported.
func (e *Engine) takeReport(tx *store.Tx, from store.Reader, entries []*v1.Reported) (upTo int64, err error) {
	now, err := tx.Clock(e.Now())
	if err != nil {
		return 0, err
	}
	upTo = from.Reported
	failures, codes, ignored := 0, 0, 0
	for _, r := range entries {
		if r.GetSeq() <= upTo {
			continue
		}
		upTo = r.GetSeq()
		take, count := e.takeFailure, &failures
		if r.GetStep() != 0 {
			take, count = e.takeUsedCode, &codes
		}
		ok, err := take(tx, from, r, now)
		if err != nil {
			return 0, err
		}
		if !ok {
			count = &ignored
		}
		*count++
	}
	if upTo == from.Reported {
		return upTo, nil
	}
	if err := tx.ReportedBy(from.ID, upTo, now); err != nil {
		return 0, err
	}
	return upTo, tx.Record(store.Entry{
		Time: e.Now(), Actor: "server " + from.ID.String(), Action: "server.report", Subject: from.URL,
		Detail: fmt.Sprintf("failures=%d codes=%d ignored=%d", failures, codes, ignored),
	})
}

// takeFailure counts a wrong answer where it could be locked, but never to a lock. It is
// false for what makes no sense here, or not any more.
func (e *Engine) takeFailure(tx *store.Tx, _ store.Reader, r *v1.Reported, now time.Time) (bool, error) {
	name, err1 := identity.ParseShortName(r.GetName())
	id, err2 := uuid.Parse(r.GetMachine())
	origin, err3 := originOf(r.GetOrigin())
	kind, makesSense := identity.FactorKind(r.GetKind()), errors.Join(err1, err2, err3) == nil
	if !makesSense || e.factors.counted(kind) != kind || kind == "" || now.Sub(r.GetMade().AsTime()) > keepFailures {
		return false, nil
	}
	if _, ok := e.factors.of(kind); !ok {
		return false, nil
	}
	is, err := tx.HasMachine(id)
	if err != nil || !is {
		return false, err
	}
	a, err := tx.Attempt(id, name, origin)
	if err != nil || r.GetMade().AsTime().Before(a.Unlocked) {
		return false, err
	}
	for _, b := range brakes(kind, id, origin, familiarWith(&a, now)) {
		t := b.Now(a.Failures[b.spot], now)
		if a.Beyond && b.spot.Machine == uuid.Nil || t.Count+1 >= b.From {
			continue
		}
		if err := tx.SetFailuresOf(name, a.Known || a.Beyond, store.Failures{Spot: b.spot, Tally: b.Fail(t, now)}, now); err != nil {
			return false, err
		}
	}
	return true, nil
}

// takeUsedCode marks a time step as used, of a secret that the reader holds. A step that is
// yet to come would keep its owner out.
func (*Engine) takeUsedCode(tx *store.Tx, from store.Reader, r *v1.Reported, now time.Time) (bool, error) {
	account, err := uuid.Parse(r.GetAccount())
	if makesSense := err == nil; !makesSense || r.GetStep() > now.Unix()/identity.TOTPPeriod+1 {
		return false, nil
	}
	if _, err := tx.CodeFor(from.ID, account, r.GetEpoch()); err != nil {
		if errors.Is(err, identity.ErrNotFound) {
			err = nil
		}
		return false, err
	}
	err = tx.UseTOTPStep(account, r.GetEpoch(), r.GetStep())
	if errors.Is(err, store.ErrChanged) {
		return true, nil // a later one was used here
	}
	return err == nil, err
}
