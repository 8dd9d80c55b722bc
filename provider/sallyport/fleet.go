package sallyport

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// fleet are the servers of the realm: those that the configuration names, in its order, and
// then those that only the realm's own list names.
type fleet struct {
	cert       *tls.Certificate // of this machine; nil: nobody can be asked
	configured []string
	list       atomic.Pointer[[]*endpoint]
	// stream is where the change stream is, nil while there is none.
	stream atomic.Pointer[endpoint]
	// setting lets one list in at a time.
	setting sync.Mutex
}

// all are the servers in the order of preference. There is at least one.
func (f *fleet) all() []*endpoint {
	if l := f.list.Load(); l != nil {
		return *l
	}
	return nil
}

// setServers takes the realm's own list over. Servers that stay keep their connections and
// their health; an exchange or a stream at one that goes is left to its end. Those that only
// read come last, wherever they are named.
func (p *Provider) setServers(more, reading []string) {
	f := &p.fleet
	f.setting.Lock()
	defer f.setting.Unlock()
	was := f.all()
	reads := make(map[string]bool)
	for _, address := range reading {
		reads[identity.ServerKey(address)] = true
	}
	var next, last []*endpoint
	seen := make(map[string]bool)
	for _, address := range slices.Concat(f.configured, more, reading) {
		key := identity.ServerKey(address)
		if seen[key] {
			continue
		}
		seen[key] = true
		at := slices.IndexFunc(was, func(e *endpoint) bool { return identity.ServerKey(e.url) == key })
		var e *endpoint
		if at >= 0 {
			e = was[at]
		} else {
			e = p.newEndpoint(address, f.cert)
		}
		e.reads.Store(reads[key])
		if reads[key] {
			last = append(last, e)
		} else {
			next = append(next, e)
		}
	}
	next = append(next, last...)
	f.list.Store(&next)
	for _, e := range was {
		if !slices.Contains(next, e) {
			e.closeIdle()
		}
	}
}

// pick goes through the servers in the order in which a request is to try them: those that
// nothing speaks against, and one that is due to be tried again; and when none of them has
// answered, the others after all. more tells whether there are others behind.
func (f *fleet) pick() iter.Seq2[*endpoint, bool] {
	return func(yield func(*endpoint, bool) bool) {
		list := f.all()
		var rest []*endpoint
		left := len(list)
		for _, e := range list {
			if !e.health.claim() {
				rest = append(rest, e)
				continue
			}
			if left--; !yield(e, left > 0) {
				return
			}
		}
		for _, e := range rest {
			if left--; !yield(e, left > 0) {
				return
			}
		}
	}
}

// The shares of the caller's time that a request may take at one server while another is
// left. What may be repeated is given up early; a step only once the server must be gone.
const (
	shareRepeatable = 0.5
	shareOnce       = 0.75
)

// ask makes a request at one server after the other until one answers. Whether it may be
// made twice tells again: if not, it ends with a provider.AnewError where a server may have
// got it and has not answered.
func (p *Provider) ask(ctx context.Context, again bool, call func(context.Context, *endpoint) error) error {
	_, err := p.askAt(ctx, again, call)
	return err
}

// askAt is ask, and tells who answered.
func (p *Provider) askAt(ctx context.Context, again bool, call func(context.Context, *endpoint) error) (*endpoint, error) {
	var lost lostError
	share := shareOnce
	if again {
		share = shareRepeatable
	}
	for e, more := range p.fleet.pick() {
		l := limit{}
		if more && (again || p.fleet.upBeside(e)) {
			l = limitOf(ctx, share)
		}
		t := e.try(ctx, l, call)
		switch {
		case !t.lost:
			return e, t.err
		case onlyReads(t.err): // nothing was done there
			lost = append(lost, e.says(t.err))
			continue
		case len(p.fleet.all()) < 2:
			return nil, t.err
		}
		err := e.says(t.err)
		if t.sent && !again {
			return nil, &provider.AnewError{Sent: true, Err: err}
		}
		if lost = append(lost, err); ctx.Err() != nil {
			break
		}
	}
	return nil, lost
}

// lostError is what each of several servers failed with.
type lostError []error

func (l lostError) Error() string {
	words := make([]string, len(l))
	for i, err := range l {
		words[i] = err.Error()
	}
	return strings.Join(words, "; ")
}

func (l lostError) Unwrap() []error { return l }

// upBeside tells whether another server than e is worth leaving time for, as far as is
// known. Whoever is working on a step is not given up for one that is down.
func (f *fleet) upBeside(e *endpoint) bool {
	return slices.ContainsFunc(f.all(), func(o *endpoint) bool { return o != e && o.health.view().is == up })
}

// others tells whether there is another server than e.
func (f *fleet) others(e *endpoint) bool {
	return slices.ContainsFunc(f.all(), func(o *endpoint) bool { return o != e })
}

// Servers implements provider.Fleet.
func (p *Provider) Servers() []provider.Server {
	all := p.fleet.all()
	if len(all) < 2 {
		return nil
	}
	at := p.fleet.stream.Load()
	list := make([]provider.Server, len(all))
	for i, e := range all {
		v := e.health.view()
		list[i] = provider.Server{URL: e.url, State: v.is.String(), InUse: e == at, Since: v.since, FromRealm: !slices.ContainsFunc(p.fleet.configured, e.is)}
		if v.since.IsZero() {
			list[i].State = provider.ServerUnasked
		}
		if v.is != up && v.why != nil {
			list[i].Down, list[i].Untrusted = e.says(v.why), errors.Is(sentinel(v.why), provider.ErrUntrusted)
			list[i].Older = isOlder(v.why)
		}
		if at == nil && v.is == up { // without a stream it is the one that is asked first
			list[i].InUse, at = true, e
		}
	}
	return list
}
