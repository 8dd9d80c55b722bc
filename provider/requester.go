package provider

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Requester is a server that takes requests, decides them by the realm's rules, and makes
// ssh certificates of what it grants. session is a session token as the server signed it. An
// error that people are to read is a [RequestError].
type Requester interface {
	// Ask returns certificates where there was a key to certify and it is granted at once.
	Ask(ctx context.Context, session []byte, origin identity.Origin, a report.AskArgs) (report.Request, *report.Certified, error)
	// Prove goes on with a request for which more had to be proved.
	Prove(ctx context.Context, session []byte, id string) (report.Request, error)
	// Request says how one stands that was asked at this machine; as soon as that is not the
	// state given, and after wait at the latest.
	Request(ctx context.Context, id, state string, wait time.Duration) (report.Request, error)
	Requests(ctx context.Context, session []byte) (own, others []report.Request, err error)
	Withdraw(ctx context.Context, session []byte, id, reason string) (report.Request, error)
	// Decide takes a session of an authentication for that purpose.
	Decide(ctx context.Context, session []byte, id string, approve bool, reason string) (report.Request, error)
	Certify(ctx context.Context, session []byte, id string, public []byte) (report.Request, report.Certified, error)
	// CertifyHosts has this machine's ssh host keys signed, in ssh's wire form.
	CertifyHosts(ctx context.Context, public [][]byte) (certificates [][]byte, until time.Time, err error)
}

// SSHTrust is a provider whose realm makes ssh certificates. Its answers are of the signed
// key list, and cost no network.
type SSHTrust interface {
	// SSHAuthorities are the keys that sign for people, and for hosts, as the key list has
	// them.
	SSHAuthorities() (users, hosts [][]byte)
	// GrantEnded tells whether the grant of that request was ended before its time, as far
	// as the realm has said.
	GrantEnded(request uuid.UUID) bool
	// CertificatesOnly tells whether sshd of this machine accepts certificates of the
	// realm's people alone, and no keys that the realm has stored. It is true where that
	// cannot be known.
	CertificatesOnly() bool
}

// RequestError is why the server did not do what was asked of it, a sentence for people.
type RequestError string

func (r RequestError) Error() string { return string(r) }

// Ask implements [Requester].
func (d *Deferred) Ask(ctx context.Context, session []byte, origin identity.Origin, a report.AskArgs) (r report.Request, c *report.Certified, err error) {
	err = d.do(func(s *Source) error {
		r, c, err = s.Requester.Ask(ctx, session, origin, a)
		return err //nolint:wrapcheck // the source's own
	})
	return r, c, err
}

// Prove implements [Requester].
func (d *Deferred) Prove(ctx context.Context, session []byte, id string) (report.Request, error) {
	return ask(d, func(s *Source) (report.Request, error) { return s.Requester.Prove(ctx, session, id) })
}

// Request implements [Requester].
func (d *Deferred) Request(ctx context.Context, id, state string, wait time.Duration) (report.Request, error) {
	return ask(d, func(s *Source) (report.Request, error) { return s.Requester.Request(ctx, id, state, wait) })
}

// Requests implements [Requester].
func (d *Deferred) Requests(ctx context.Context, session []byte) (own, others []report.Request, err error) {
	err = d.do(func(s *Source) error {
		own, others, err = s.Requester.Requests(ctx, session)
		return err //nolint:wrapcheck // the source's own
	})
	return own, others, err
}

// Withdraw implements [Requester].
func (d *Deferred) Withdraw(ctx context.Context, session []byte, id, reason string) (report.Request, error) {
	return ask(d, func(s *Source) (report.Request, error) { return s.Requester.Withdraw(ctx, session, id, reason) })
}

// Decide implements [Requester].
func (d *Deferred) Decide(ctx context.Context, session []byte, id string, approve bool, reason string) (report.Request, error) {
	return ask(d, func(s *Source) (report.Request, error) { return s.Requester.Decide(ctx, session, id, approve, reason) })
}

// Certify implements [Requester].
func (d *Deferred) Certify(ctx context.Context, session []byte, id string, public []byte) (r report.Request, c report.Certified, err error) {
	err = d.do(func(s *Source) error {
		r, c, err = s.Requester.Certify(ctx, session, id, public)
		return err //nolint:wrapcheck // the source's own
	})
	return r, c, err
}

// CertifyHosts implements [Requester].
func (d *Deferred) CertifyHosts(ctx context.Context, public [][]byte) (certificates [][]byte, until time.Time, err error) {
	err = d.do(func(s *Source) error {
		certificates, until, err = s.Requester.CertifyHosts(ctx, public)
		return err //nolint:wrapcheck // the source's own
	})
	return certificates, until, err
}

// SSHAuthorities implements [SSHTrust].
func (d *Deferred) SSHAuthorities() (users, hosts [][]byte) {
	return d.offline().SSHTrust.SSHAuthorities()
}

// CertificatesOnly implements [SSHTrust].
func (d *Deferred) CertificatesOnly() bool { return d.offline().SSHTrust.CertificatesOnly() }

// GrantEnded implements [SSHTrust].
func (d *Deferred) GrantEnded(request uuid.UUID) bool {
	return d.offline().SSHTrust.GrantEnded(request)
}
