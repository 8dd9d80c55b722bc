package partner

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const nonceLen = 32

// exchange asks one partner, once.
type exchange struct {
	*realm.Realm
	p      store.Partner
	most   int               // people of it
	list   *identity.KeyList // the newest that followed from the pinned key
	alarms trust.Alarms
}

func newExchange(r *realm.Realm, p store.Partner, most int) *exchange {
	return &exchange{Realm: r, p: p, most: most, alarms: trust.Alarms{Realm: r, Partner: p}}
}

// noPartnerError says that a server of the partner refuses this realm as no partner.
type noPartnerError struct{ realm string }

func (e *noPartnerError) Error() string { return e.realm + " does not trust this realm" }

// all asks one server after the other until one is an answer, whatever it says.
func (x *exchange) all(ctx context.Context) error {
	defer func() { x.alarms.Log(context.WithoutCancel(ctx)) }()
	b, err := identity.DecodeKeyBundle(x.p.Bundle)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if _, x.list, err = b.Follow(x.p.Root); err != nil {
		return fmt.Errorf("what is pinned: %w", err)
	}
	var lost []error
	for i, u := range x.p.URLs {
		one, cancel := context.WithTimeout(ctx, askWithin/time.Duration(len(x.p.URLs)-i)) // the last has all that is left
		err := x.at(one, u)
		cancel()
		if err == nil || !isLost(err) {
			return err
		}
		lost = append(lost, err)
	}
	return errors.Join(lost...)
}

// isLost tells whether another server may answer better.
func isLost(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled, connect.CodeUnimplemented, connect.CodeInternal, connect.CodeResourceExhausted:
		return true
	default:
		return false
	}
}

// at asks one server. Where the key list that is known does not name what it shows in TLS, it is
// asked for a newer one, and then again.
func (x *exchange) at(ctx context.Context, address string) error {
	err := x.ask(ctx, address)
	var untrusted *trust.UntrustedError
	if !errors.As(err, &untrusted) {
		return err
	}
	if err := x.newer(ctx, address); err != nil {
		return err
	}
	return x.ask(ctx, address)
}

// ask asks one server that the key list names, until it has told all, or enough.
func (x *exchange) ask(ctx context.Context, address string) error {
	list := x.list // whoever connects may outlive this
	way, err := trust.To(address, func(chain []*x509.Certificate, host string) error { return list.VerifyTLS(chain, host, x.Now()) })
	if err != nil {
		return err //nolint:wrapcheck // it names the address
	}
	defer way.End()
	for range mostAnswers {
		if more, err := x.once(ctx, way); err != nil || !more {
			return err
		}
	}
	return nil
}

// newer asks whoever answers for a key list that names what they show in TLS.
func (x *exchange) newer(ctx context.Context, address string) error {
	s, err := trust.Look(ctx, address)
	if err != nil {
		return err //nolint:wrapcheck // it names the address
	}
	if err := x.follow(ctx, s.Bundle); err != nil {
		return err
	}
	if err := x.list.VerifyTLS(s.Chain, s.Host, x.Now()); err != nil {
		return fmt.Errorf("whoever answers at %s does not prove to be a server of %s: %w", address, x.p.Realm, err)
	}
	return nil
}

// follow takes a key list that follows from the pinned key, and raises an alarm over one that does
// not.
func (x *exchange) follow(ctx context.Context, bundle []byte) error {
	if bytes.Equal(bundle, x.p.Bundle) {
		return nil
	}
	b, err := identity.DecodeKeyBundle(bundle)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	root, list, err := b.Follow(x.p.Root)
	switch {
	case err != nil:
		return x.alarm(ctx, trust.KeyList, "its key list does not follow from the realm key that is trusted here, "+
			"so somebody else answers, or its realm key was lost: nothing is taken")
	case list.Realm != x.p.Realm:
		return x.alarm(ctx, trust.RealmName, fmt.Sprintf("its key list is of a realm %q: nothing is taken", list.Realm))
	case list.Version < x.p.Version:
		return fmt.Errorf("a server of %s shows a key list that is older than the one that is known here", x.p.Realm)
	}
	err = x.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.PinPartner(x.p, root, bundle, list.Version); err != nil {
			return err
		}
		if err := x.alarms.End(tx, trust.KeyList, trust.RealmName); err != nil {
			return err //nolint:wrapcheck // below
		}
		if root.Equal(x.p.Root) {
			return nil
		}
		sum := identity.RealmFingerprint(root, list.TLS[0])
		return x.alarms.Raise(tx, trust.RealmKey, fmt.Sprintf("its realm key was replaced, signed by the one before; the fingerprint is %x now", sum))
	})
	if err != nil {
		return fmt.Errorf("keep the key list: %w", err)
	}
	x.list, x.p.Root, x.p.Bundle, x.p.Version = list, root, bundle, list.Version
	return nil
}

// alarm raises one and is its error.
func (x *exchange) alarm(ctx context.Context, kind trust.Kind, text string) error {
	if err := x.Store.Write(ctx, func(tx *store.Tx) error { return x.alarms.Raise(tx, kind, text) }); err != nil {
		return fmt.Errorf("raise an alarm: %w", err)
	}
	return errors.New(text)
}

// question asks from where the last answer ended.
func (x *exchange) question(tx *store.Tx) (*identity.PartnerQuestion, *v1.PullRequest, error) {
	nonce := make([]byte, nonceLen)
	_, _ = rand.Read(nonce) // never fails, see crypto/rand
	q := &identity.PartnerQuestion{
		Realm: x.Name, Audience: x.p.Realm, Nonce: nonce, Time: x.Now().Unix(), History: x.p.History, Position: x.p.Position, Listing: !x.p.Listing.IsZero(),
	}
	if q.Listing && x.Now().Sub(x.p.Listing) > listWithin {
		q.History, q.Position, q.Listing = uuid.Nil, 0, false
	}
	signer, err := x.Signer(tx)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says what it is about
	}
	req := &v1.PullRequest{}
	if req.Question, err = signer.SignPartnerQuestion(q); err != nil {
		return nil, nil, err //nolint:wrapcheck // likewise
	}
	req.KeyBundle, _, err = x.KeyList(tx)
	return q, req, err //nolint:wrapcheck // likewise
}

// once asks one question, and keeps the answer.
func (x *exchange) once(ctx context.Context, way *trust.Way) (more bool, err error) {
	var q *identity.PartnerQuestion
	var req *v1.PullRequest
	err = x.Store.Read(ctx, func(tx *store.Tx) (err error) {
		q, req, err = x.question(tx)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("make a question: %w", err)
	}
	resp, err := way.Pull(ctx, req)
	if err != nil {
		return false, x.refused(ctx, way, err)
	}
	if err := x.follow(ctx, resp.GetKeyBundle()); err != nil {
		return false, err
	}
	ring, err := x.list.Keyring()
	if err != nil {
		return false, err //nolint:wrapcheck // it says what it is about
	}
	a, err := ring.PartnerAnswer(resp.GetAnswer())
	if err != nil {
		return false, err //nolint:wrapcheck // likewise
	}
	switch {
	case a.Audience != x.Name || !bytes.Equal(a.Nonce, q.Nonce):
		return false, fmt.Errorf("%s answered another question", x.p.Realm)
	case !near(x.Now(), a.Time):
		return false, x.wrongClock(ctx, time.Unix(a.Time, 0))
	}
	return a.More, x.keep(ctx, q, a)
}

// refused says what a refusal means. A server that refuses this realm as no partner has proved in
// TLS to be the partner's: what it told is forgotten. A refusal without a reason may be the clock.
func (x *exchange) refused(ctx context.Context, way *trust.Way, err error) error {
	var told *connect.Error
	if !errors.As(err, &told) || !connect.IsWireError(told) {
		return err
	}
	if told.Code() == connect.CodePermissionDenied {
		for _, d := range told.Details() {
			if v, bad := d.Value(); bad == nil {
				if _, is := v.(*v1.NoPartner); is {
					return x.forget(ctx)
				}
			}
		}
	}
	if told.Code() == connect.CodeUnauthenticated {
		if d, bad := way.Describe(ctx); bad == nil && d.GetServerTime() != nil && !near(x.Now(), d.GetServerTime().GetSeconds()) {
			return x.wrongClock(ctx, d.GetServerTime().AsTime())
		}
		return fmt.Errorf("%s refuses this realm and does not say why: it may know another realm key of it (\"sallyport-server partner confirm\" there)", x.p.Realm)
	}
	return err
}

func (x *exchange) forget(ctx context.Context) error {
	if err := x.Store.Write(ctx, func(tx *store.Tx) error { return tx.ForgetPartnerPeople(x.p.ID) }); err != nil {
		return fmt.Errorf("forget people: %w", err)
	}
	return &noPartnerError{x.p.Realm}
}

// wrongClock does not say by how much: it would be another alarm each time.
func (x *exchange) wrongClock(ctx context.Context, theirs time.Time) error {
	way := "behind"
	if theirs.After(x.Now()) {
		way = "ahead of"
	}
	return x.alarm(ctx, trust.Clock, fmt.Sprintf("its clock is more than %d minutes %s this server's: nothing is taken", int(trust.ClockSkew/time.Minute), way))
}
