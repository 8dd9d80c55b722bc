package request

import (
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// event is what may happen to a request. The zero value happens to none.
type event uint8

const (
	_         event = iota
	refuses         // no rule matches, or one refuses
	asksProof       // a fresher or stronger proof is needed
	waits           // approvals are needed
	grants          // every rule is met
	denies          // somebody denied it
	takesBack       // the asker, one who may decide it, or an administrator
	uses            // it is used, and every rule is still met
	timeOver        // Until has come
)

// transitions is the table of the package comment. What is not in it cannot happen.
var transitions = map[store.RequestState]map[event]store.RequestState{ //nolint:gochecknoglobals // a constant
	"": {
		refuses: store.RequestDenied, asksProof: store.RequestAsked, waits: store.RequestWaiting, grants: store.RequestGranted,
	},
	store.RequestAsked: {
		refuses: store.RequestDenied, asksProof: store.RequestAsked, waits: store.RequestWaiting, grants: store.RequestGranted,
		takesBack: store.RequestWithdrawn, timeOver: store.RequestExpired,
	},
	store.RequestWaiting: {
		refuses: store.RequestDenied, asksProof: store.RequestAsked, waits: store.RequestWaiting, grants: store.RequestGranted,
		denies: store.RequestDenied, takesBack: store.RequestWithdrawn, timeOver: store.RequestExpired,
	},
	store.RequestGranted: {uses: store.RequestUsed, takesBack: store.RequestEnded, timeOver: store.RequestEnded},
	store.RequestUsed:    {uses: store.RequestUsed, takesBack: store.RequestEnded, timeOver: store.RequestEnded},
}

// askedLife is for how long a proof is awaited. A grant's life is its rules', and for how long
// approvals are waited for the realm says.
const askedLife = 10 * time.Minute

// at is the request as it is at that moment: what is over by time is over.
func at(r store.Request, now time.Time) store.Request {
	if next, ok := transitions[r.State][timeOver]; ok && !now.Before(r.Until) {
		r.State, r.Changed = next, r.Until
		r.Why = overdue(next)
	}
	return r
}

func overdue(s store.RequestState) string {
	if s == store.RequestExpired {
		return "Its time was over before it was decided."
	}
	return "Its time is over."
}

// happens brings a request into its next state, if that event can happen in the one that it
// is in; why is for people.
func happens(r *store.Request, e event, now time.Time, why string) bool {
	next, ok := transitions[r.State][e]
	if !ok {
		return false
	}
	if next == r.State {
		return true // its time goes on
	}
	r.Early = next == store.RequestEnded && e != timeOver
	r.State, r.Changed, r.Why = next, now, why
	switch next {
	case store.RequestAsked:
		r.Until = now.Add(askedLife)
	case store.RequestWaiting:
		r.Until = now.Add(r.WaitLife)
	case store.RequestGranted:
		r.Until = now.Add(r.GrantLife)
	case store.RequestUsed: // until its grant ends
	default:
		r.Until = now
	}
	return true
}

// open tells whether something can still come of it.
func open(s store.RequestState) bool { return s != "" && len(transitions[s]) > 0 }

// granted tells whether it may be used.
func granted(s store.RequestState) bool {
	_, ok := transitions[s][uses]
	return ok
}
