package sallyport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

var _ provider.Verifier = (*Provider)(nil)

const (
	errNoVerifyService = provider.RequestError("The realm's server is of an older release, which keeps no keys to verify people with: its administrator has to upgrade it.")
	errNoPartners      = provider.RequestError("The realm's server is of an older release, which knows nobody of other realms: its administrator has to upgrade it.")
)

// verifyWord is what a server says no to a request of VerifyService with; nil for all else.
func verifyWord(err error) error {
	if unknownService(err) {
		return errNoVerifyService
	}
	return requestWord(err)
}

// unknownService tells whether a server has no such service: it says so itself, or answers as
// HTTP servers do where there is nothing at an address.
func unknownService(err error) bool {
	var e *connect.Error
	return errors.As(err, &e) && e.Code() == connect.CodeUnimplemented
}

// SetVerifyKey implements provider.Verifier.
func (p *Provider) SetVerifyKey(ctx context.Context, session, public []byte, partners bool) (time.Time, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.SetVerifyKeyResponse
	err := p.answered(ctx, "set a key to verify with", verifyWord, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.verify.SetVerifyKey(ctx, &v1.SetVerifyKeyRequest{SessionToken: session, PublicKey: public, Partners: partners})
		return err //nolint:wrapcheck // by answered
	})
	return moment(resp.GetMade()), err
}

// FindVerifyPerson implements provider.Verifier.
func (p *Provider) FindVerifyPerson(ctx context.Context, account, name, realm string) (person, own provider.VerifyPerson, err error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.FindVerifyPersonResponse
	err = p.answered(ctx, "find somebody to verify", verifyWord, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.verify.FindVerifyPerson(ctx, &v1.FindVerifyPersonRequest{Account: account, Name: name, Realm: realm})
		return err //nolint:wrapcheck // by answered
	})
	if err == nil {
		person, err = p.verifyPerson(resp.GetPerson(), name, realm)
	}
	if err == nil {
		own, err = p.verifyPerson(resp.GetOwn(), account, "")
	}
	return person, own, err
}

// verifyPerson is somebody as the server tells them: it must be whom was asked about. The realm
// "" is the machine's own; a server that knows no other leaves it out.
func (p *Provider) verifyPerson(v *v1.VerifyPerson, name, realm string) (is provider.VerifyPerson, err error) {
	if is.ID, err = uuid.FromBytes(v.GetId()); err != nil {
		return is, fmt.Errorf("the server's answer: %w", err)
	}
	if err := verify.CheckPublic(v.GetPublicKey()); err != nil {
		return is, fmt.Errorf("the server's answer: %w", err)
	}
	if v.GetName() != name {
		return is, fmt.Errorf("the server was asked about %q and answered about %q", name, identity.Printable(v.GetName()))
	}
	switch said := v.GetRealm(); {
	case realm == "" && (said == "" || !p.wrongRealm(said)):
	case said == "":
		return is, errNoPartners
	case identity.FoldName(said) != identity.FoldName(realm) || said != identity.Printable(said):
		return is, fmt.Errorf("the server was asked about somebody of %q and answered about %q", realm, identity.Printable(said))
	default:
		is.Realm, is.Told = said, moment(v.GetTold())
	}
	is.Name, is.FullName, is.Public, is.Made = name, short(v.GetFullName()), v.GetPublicKey(), moment(v.GetMade())
	is.Organisation, is.Domain, is.ServerHeld, is.Partners = short(v.GetOrganisation()), short(v.GetDomain()), v.GetServerHeld(), v.GetPartners()
	for _, like := range v.GetRealmLooksLike()[:min(len(v.GetRealmLooksLike()), mostAlike)] {
		is.RealmLooksLike = append(is.RealmLooksLike, short(like))
	}
	return is, nil
}

// mostAlike is how many realms of names that look alike are told of, and mostWord how many
// letters of a name that others gave themselves: it is to stay on a line.
const (
	mostAlike = 8
	mostWord  = 120
)

func short(text string) string {
	text = identity.Printable(text)
	if letters := []rune(text); len(letters) > mostWord {
		text = strings.TrimSpace(string(letters[:mostWord])) + "…"
	}
	return text
}

// NoteVerification implements provider.Verifier.
func (p *Provider) NoteVerification(ctx context.Context, n provider.VerifyNote) error {
	ctx, cancel := p.within(ctx)
	defer cancel()
	req := &v1.NoteVerificationRequest{Account: n.Account, Realm: n.Realm, Event: eventOf(n.Event), Confirmed: n.Event == provider.VerifyConfirmed}
	late := !n.Made.IsZero()
	if late {
		req.LateId, req.Made = n.ID[:], timestamppb.New(n.Made)
	} else {
		req.Id = n.ID[:]
	}
	return p.answered(ctx, "note a verification", func(err error) error { return noteWord(err, late) }, func(ctx context.Context, e *endpoint) error {
		_, err := e.verify.NoteVerification(ctx, req)
		return err //nolint:wrapcheck // by answered
	})
}

// noID is how a server begins its answer that finds no id in a late note, because it does not
// know where that is.
const noID = "id: "

func eventOf(e provider.VerifyEvent) v1.VerifyEvent {
	switch e {
	case provider.VerifyBegun:
		return v1.VerifyEvent_VERIFY_EVENT_BEGUN
	case provider.VerifyConfirmed:
		return v1.VerifyEvent_VERIFY_EVENT_CONFIRMED
	case provider.VerifyFailed:
		return v1.VerifyEvent_VERIFY_EVENT_FAILED
	default:
		return v1.VerifyEvent_VERIFY_EVENT_UNSPECIFIED
	}
}

// noteWord tells a refusal for good, and a server that is too old, from what may pass.
func noteWord(err error, late bool) error {
	var e *connect.Error
	switch {
	case unknownService(err):
		return provider.ErrNoteOlder
	case !errors.As(err, &e) || !connect.IsWireError(err) || onlyReads(err):
		return nil
	}
	why := identity.Printable(e.Message())
	switch e.Code() {
	case connect.CodeInvalidArgument:
		if late && strings.HasPrefix(why, noID) {
			return fmt.Errorf("%w: %s", provider.ErrNoteOlder, why)
		}
		return fmt.Errorf("%w: %s", provider.ErrNoteRefused, why)
	case connect.CodeNotFound, connect.CodePermissionDenied, connect.CodeFailedPrecondition:
		return fmt.Errorf("%w: %s", provider.ErrNoteRefused, why)
	case connect.CodeResourceExhausted:
		return provider.RequestError(why)
	default:
		return nil
	}
}
