package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Requests are the server's to judge: this machine passes on what its people ask over
// control.sock, with the server's own word for who they are. That is
//
//	what is asked             goes with
//	anything but a decision   the session token of the account's newest login here; where
//	                          there is none, the person proves who they are first
//	a decision                a session token that is made for it, by a proof in any case
//
// The peer's uid says whose request it is. Root's word counts for nobody else here.

var errNoRequests = errors.New("this realm takes no requests and makes no ssh certificates, because its server does not know of them: use ssh itself")

// maxRequestWait is below what a request over control.sock may take.
const maxRequestWait = 20 * time.Second

// asked is one request of control.sock, of an account.
type asked struct {
	provider.Requester
	account *directory.Entry
	origin  identity.Origin
	session []byte
}

// requesting runs what is asked once there is a session for it. Where none is, and no proof
// came with it, the answer is that one is needed.
func (d *Gate) requesting(ctx context.Context, peer identity.Peer, proof report.EnrolArgs, purpose string, emit func(any) error,
	run func(ctx context.Context, a asked) (report.Requested, error),
) error {
	if d.o.Provider.Requester == nil {
		return errNoRequests
	}
	return d.withSession(ctx, peer, proof, purpose, emit, run)
}

// withSession is requesting, where it is no request.
func (d *Gate) withSession(ctx context.Context, peer identity.Peer, proof report.EnrolArgs, purpose string, emit func(any) error,
	run func(ctx context.Context, a asked) (report.Requested, error),
) error {
	s, err := d.proving(ctx, peer, proof, "sallyport request")
	if err != nil {
		return err
	}
	defer s.forgetProof()
	id := s.q.Entry.Account().UUID
	a := asked{Requester: d.o.Provider.Requester, account: s.q.Entry, origin: s.Origin()}
	given := s.secret.Len() > 0 || s.card.pin.Len() > 0
	switch {
	case given && s.codeMissing():
		return emit(report.Requested{NeedsProof: true, NeedsCode: true})
	case given:
		if a.session, err = s.sessionFor(ctx, purpose); err != nil {
			return err
		}
	case purpose == "":
		a.session = d.proofs.Tokens.Of(id, d.Clock().Now())
	}
	if len(a.session) == 0 {
		return emit(report.Requested{NeedsProof: true})
	}
	answer, err := run(ctx, a)
	if err != nil {
		return err
	}
	return emit(answer)
}

// sessionFor proves who asks, for that purpose, and returns the server's word for it.
func (s *login) sessionFor(ctx context.Context, purpose string) ([]byte, error) {
	b, err := s.proveNow(ctx, wish{purpose: purpose})
	if err != nil {
		return nil, err
	}
	r := b.reply
	if err := s.checkYes(r); err != nil {
		return nil, fmt.Errorf("%w: %w", errEnrol, err)
	}
	if r.Session.Purpose != purpose {
		return nil, fmt.Errorf("%w: the server's answer is for something else", errEnrol)
	}
	s.d.proofs.Tokens.Keep(r.Session, r.SignedSession)
	return r.SignedSession, nil
}

// oneRequest is the answer that is a request.
func oneRequest(r report.Request, err error) (report.Requested, error) {
	return report.Requested{Request: &r}, err
}

func (d *Gate) requestAsk(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.AskArgs
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	proof := in.EnrolArgs
	in.ProofArgs = report.ProofArgs{}
	return d.requesting(ctx, peer, proof, "", emit, func(ctx context.Context, a asked) (report.Requested, error) {
		r, c, err := a.Ask(ctx, a.session, a.origin, in)
		if err == nil && r.State == "asked" && (proof.Password != "" || proof.PIN != "") {
			return oneRequest(a.Prove(ctx, a.session, r.ID)) // what came with it is as fresh as can be
		}
		return report.Requested{Request: &r, Certified: c}, err //nolint:wrapcheck // the server's words
	})
}

// requestVerb is a verb that names a request.
func requestVerb(purpose func(report.RequestArgs) (string, error), run func(context.Context, asked, report.RequestArgs) (report.Requested, error)) handler {
	return func(d *Daemon, ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
		var in report.RequestArgs
		if err := report.Decode(args, &in); err != nil {
			return err
		}
		what := ""
		if purpose != nil {
			var err error
			if what, err = purpose(in); err != nil {
				return err
			}
		}
		return d.requesting(ctx, peer, in.EnrolArgs, what, emit, func(ctx context.Context, a asked) (report.Requested, error) { return run(ctx, a, in) })
	}
}

// requestShow takes no session: who has the id has asked, and the server tells this machine
// of its own requests alone.
func (d *Gate) requestShow(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.RequestArgs
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	if d.o.Provider.Requester == nil {
		return errNoRequests
	}
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	r, err := d.o.Provider.Requester.Request(ctx, in.ID, in.State, min(time.Duration(in.WaitSeconds)*time.Second, maxRequestWait))
	if errors.Is(err, provider.ErrOffline) {
		return fmt.Errorf("%w: %w", report.ErrAway, err)
	}
	if err != nil {
		return err //nolint:wrapcheck // the server's words
	}
	if r.Account != string(e.Account().Name) {
		return fmt.Errorf("%w: it is another's request", report.ErrForbidden)
	}
	return emit(report.Requested{Request: &r})
}

func requestList(ctx context.Context, a asked, _ report.RequestArgs) (report.Requested, error) {
	own, others, err := a.Requests(ctx, a.session)
	return report.Requested{Own: own, Others: others}, err //nolint:wrapcheck // the server's words
}

func requestWithdraw(ctx context.Context, a asked, in report.RequestArgs) (report.Requested, error) {
	return oneRequest(a.Withdraw(ctx, a.session, in.ID, in.Reason))
}

func requestDecide(ctx context.Context, a asked, in report.RequestArgs) (report.Requested, error) {
	return oneRequest(a.Decide(ctx, a.session, in.ID, in.Approve, in.Reason))
}

// decision is the purpose of a proof by which that request is decided.
func decision(in report.RequestArgs) (string, error) {
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return "", fmt.Errorf("%w: %q names no request", report.ErrVerb, in.ID)
	}
	return identity.PurposeOf(id, in.Approve), nil
}

func requestCertify(ctx context.Context, a asked, in report.RequestArgs) (report.Requested, error) {
	r, c, err := a.Certify(ctx, a.session, in.ID, in.PublicKey)
	return report.Requested{Request: &r, Certified: &c}, err //nolint:wrapcheck // the server's words
}

// newJudge judges ssh certificates that are shown here. Where the realm makes none, there
// is none of it.
func newJudge(o gateOptions) *hops.Judge {
	return &hops.Judge{
		Machine: o.Machine, Now: o.Accounts.Clock().Now,
		Authorities: func() [][]byte {
			if o.Provider.SSHTrust == nil {
				return nil
			}
			users, _ := o.Provider.SSHTrust.SSHAuthorities()
			return users
		},
		Ended: func(request uuid.UUID) bool {
			return o.Provider.SSHTrust != nil && o.Provider.SSHTrust.GrantEnded(request)
		},
	}
}
