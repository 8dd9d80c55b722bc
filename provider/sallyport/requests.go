package sallyport

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

var (
	_ provider.Requester = (*Provider)(nil)
	_ provider.SSHTrust  = (*Provider)(nil)
)

// request makes one request of RequestService or SSHService. Each may be repeated at
// another server: what was done once is done once.
func (p *Provider) request(ctx context.Context, doing string, call func(context.Context, *endpoint) error) error {
	return p.answered(ctx, doing, requestWord, call)
}

// requestWord is what a server of the realm says no to a request with; nil for all else.
func requestWord(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) || !connect.IsWireError(err) || onlyReads(err) {
		return nil
	}
	switch e.Code() {
	case connect.CodeInvalidArgument, connect.CodeFailedPrecondition, connect.CodeNotFound, connect.CodeAlreadyExists,
		connect.CodeAborted, connect.CodeResourceExhausted:
		return provider.RequestError(identity.Printable(e.Message()))
	case connect.CodeUnimplemented:
		return provider.RequestError("The realm's server is of an older release, which takes no requests.")
	default:
		return nil
	}
}

// answered makes a call to which a refusal is an answer, and no reason to ask another server or
// to hold it against this one. word is what the person is told of an error, nil where that is no
// server's answer.
func (p *Provider) answered(ctx context.Context, doing string, word func(error) error, call func(context.Context, *endpoint) error) error {
	var said, aside error
	err := p.ask(ctx, true, func(ctx context.Context, e *endpoint) error {
		err := call(ctx, e)
		if asksAnother(err) { // which is what is told, unless another one answers
			var no *connect.Error
			_ = errors.As(err, &no)
			aside = provider.RequestError(identity.Printable(no.Message()))
			return err
		}
		if said = word(err); said != nil {
			return nil //nolint:nilerr // the server has answered
		}
		return err
	})
	if said != nil {
		return said
	}
	if err != nil && aside != nil {
		return aside
	}
	return meaning(doing, err)
}

func (p *Provider) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return bounded(ctx, p.o.Timeouts.Call)
}

// Ask implements provider.Requester.
func (p *Provider) Ask(ctx context.Context, session []byte, origin identity.Origin, a report.AskArgs) (report.Request, *report.Certified, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	hops := &v1.SSHAsk{Role: a.Role, Forward: a.Forward}
	for _, h := range a.Hops {
		hops.Hops = append(hops.Hops, &v1.SSHHop{Host: h.Host, Port: uint32(h.Port), Account: h.Account})
	}
	req := &v1.AskRequest{SessionToken: session, Id: a.ID, Reason: a.Reason, Origin: origin.String(), Kind: &v1.AskRequest_Ssh{Ssh: hops}, PublicKey: a.PublicKey}
	var resp *v1.AskResponse
	err := p.request(ctx, "ask", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.Ask(ctx, req)
		return err //nolint:wrapcheck // by request
	})
	if err != nil || resp.GetCertified() == nil {
		return requestOf(resp.GetRequest()), nil, err
	}
	c := p.certified(resp.GetCertified())
	return requestOf(resp.GetRequest()), &c, nil
}

// Prove implements provider.Requester.
func (p *Provider) Prove(ctx context.Context, session []byte, id string) (report.Request, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.ProveResponse
	err := p.request(ctx, "go on with a request", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.Prove(ctx, &v1.ProveRequest{Id: id, SessionToken: session})
		return err //nolint:wrapcheck // by request
	})
	return requestOf(resp.GetRequest()), err
}

// Request implements provider.Requester.
func (p *Provider) Request(ctx context.Context, id, state string, wait time.Duration) (report.Request, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call+wait)
	defer cancel()
	var resp *v1.GetRequestResponse
	err := p.request(ctx, "look at a request", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.GetRequest(ctx, &v1.GetRequestRequest{Id: id, State: state, WaitSeconds: uint32(wait / time.Second)}) //nolint:gosec // 20 at most
		return err                                                                                                                   //nolint:wrapcheck // by request
	})
	return requestOf(resp.GetRequest()), err
}

// Requests implements provider.Requester.
func (p *Provider) Requests(ctx context.Context, session []byte) (own, others []report.Request, err error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.ListRequestsResponse
	err = p.request(ctx, "list requests", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.ListRequests(ctx, &v1.ListRequestsRequest{SessionToken: session})
		return err //nolint:wrapcheck // by request
	})
	return requestsOf(resp.GetOwn()), requestsOf(resp.GetOthers()), err
}

// Withdraw implements provider.Requester.
func (p *Provider) Withdraw(ctx context.Context, session []byte, id, reason string) (report.Request, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.WithdrawResponse
	err := p.request(ctx, "withdraw a request", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.Withdraw(ctx, &v1.WithdrawRequest{Id: id, SessionToken: session, Reason: reason})
		return err //nolint:wrapcheck // by request
	})
	return requestOf(resp.GetRequest()), err
}

// Decide implements provider.Requester.
func (p *Provider) Decide(ctx context.Context, session []byte, id string, approve bool, reason string) (report.Request, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.DecideResponse
	err := p.request(ctx, "decide a request", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.requests.Decide(ctx, &v1.DecideRequest{Id: id, SessionToken: session, Approve: approve, Reason: reason})
		return err //nolint:wrapcheck // by request
	})
	return requestOf(resp.GetRequest()), err
}

// Certify implements provider.Requester. Each certificate is one that the realm's keys, as
// the key list has them, signed.
func (p *Provider) Certify(ctx context.Context, session []byte, id string, public []byte) (report.Request, report.Certified, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.CertifyResponse
	err := p.request(ctx, "certify an ssh key", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.ssh.Certify(ctx, &v1.CertifyRequest{Id: id, SessionToken: session, PublicKey: public})
		return err //nolint:wrapcheck // by request
	})
	if err != nil {
		return report.Request{}, report.Certified{}, err
	}
	return requestOf(resp.GetRequest()), p.certified(resp), nil
}

// certified is what a server has certified, with the keys that sign for hosts as the key list
// has them.
func (p *Provider) certified(resp *v1.CertifyResponse) (c report.Certified) {
	c.ServerTime = moment(resp.GetServerTime())
	for _, h := range resp.GetHops() {
		c.Hops = append(c.Hops, report.CertifiedHop{Certificate: h.GetCertificate(), Machine: identity.Printable(h.GetMachine()), HostAlias: identity.Printable(h.GetHostAlias()), HostKeys: h.GetHostKeys(), ClockAheadSeconds: h.GetClockAheadSeconds()})
	}
	_, hosts := p.SSHAuthorities()
	for _, k := range hosts {
		c.Hosts = append(c.Hosts, identity.SSHAuthorityWire(k))
	}
	return c
}

// CertifyHosts implements provider.Requester.
func (p *Provider) CertifyHosts(ctx context.Context, public [][]byte) (certificates [][]byte, until time.Time, err error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.CertifyHostResponse
	err = p.request(ctx, "certify ssh host keys", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.ssh.CertifyHost(ctx, &v1.CertifyHostRequest{PublicKeys: public})
		return err //nolint:wrapcheck // by request
	})
	return resp.GetCertificates(), moment(resp.GetExpires()), err
}

// SSHAuthorities implements provider.SSHTrust.
func (p *Provider) SSHAuthorities() (users, hosts [][]byte) {
	t := p.trust.Load()
	if t == nil {
		return nil, nil
	}
	return t.list.SSHUsers, t.list.SSHHosts
}

func requestsOf(list []*v1.RequestView) (all []report.Request) {
	for _, v := range list {
		all = append(all, requestOf(v))
	}
	return all
}

// requestOf is a request as the server tells it; its words go to terminals.
func requestOf(v *v1.RequestView) report.Request {
	if v == nil {
		return report.Request{}
	}
	word := identity.Printable
	r := report.Request{
		ID: word(v.GetId()), Kind: word(v.GetKind()), State: word(v.GetState()), Account: word(v.GetAccount()), Machine: word(v.GetMachine()),
		Origin: word(v.GetOrigin()), Reason: word(v.GetReason()), Subject: word(v.GetSubject()), Role: word(v.GetRole()),
		Asked: moment(v.GetAsked()), Until: moment(v.GetUntil()), Why: word(v.GetWhy()), Yours: v.GetYours(),
	}
	if d := v.GetDemand(); d != nil {
		r.Demand = &report.Demand{MaxAgeSeconds: d.GetMaxAgeSeconds(), Points: d.GetPoints()}
		for _, k := range d.GetKinds() {
			r.Demand.Kinds = append(r.Demand.Kinds, word(k))
		}
	}
	for _, n := range v.GetNeeds() {
		r.Needs = append(r.Needs, report.Need{Group: word(n.GetGroup()), Count: n.GetCount()})
	}
	for _, d := range v.GetDecisions() {
		r.Decisions = append(r.Decisions, report.Decision{Account: word(d.GetAccount()), Approved: d.GetApproved(), Reason: word(d.GetReason()), At: moment(d.GetAt())})
	}
	for _, n := range v.GetRules() {
		r.Rules = append(r.Rules, word(n))
	}
	return r
}
