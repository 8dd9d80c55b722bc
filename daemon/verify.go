package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Two people make sure of each other, docs/verify.md. The peer's uid says whose key is used,
// root's for nobody; a new key takes a proof that is made for it.

var (
	errNoVerifying = errors.New("this realm has no keys to verify people with, because its server does not know of them")
	errOtherRealm  = errors.New("people of other realms cannot be verified in this release")
)

// noteTimeout is how long a verdict waits for the realm's audit log.
const noteTimeout = 5 * time.Second

// verifying is the account of the peer.
func (d *Gate) verifying(peer identity.Peer) (*directory.Entry, error) {
	if d.o.Provider.Verifier == nil {
		return nil, errNoVerifying
	}
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return nil, fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	return e, nil
}

func (d *Gate) verifySetUp(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifySetUp
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	var key cache.VerifyKey
	if !in.Remove {
		if key, err = d.verify.NewKey(ctx, e.Account().UUID); err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
	}
	return d.withSession(ctx, peer, in.EnrolArgs, identity.PurposeOfVerifyKey(key.Public, false), emit, func(ctx context.Context, a asked) (report.Requested, error) {
		id := a.account.Account().UUID
		made, err := d.o.Provider.Verifier.SetVerifyKey(ctx, a.session, key.Public)
		switch {
		case err != nil:
			return report.Requested{}, awayOr(err)
		case in.Remove:
			return report.Requested{}, d.verify.Remove(ctx, id) //nolint:wrapcheck // it says what it is about
		}
		key.Made = made
		if err := d.verify.Keep(ctx, id, key); err != nil {
			return report.Requested{}, fmt.Errorf("the realm has the new key and this machine has not: run it again: %w", err)
		}
		return report.Requested{VerifyKey: ownKey(key)}, nil
	})
}

func ownKey(k cache.VerifyKey) *report.VerifyKey {
	return &report.VerifyKey{Fingerprint: verify.Fingerprint(k.Public), Made: k.Made}
}

func (d *Gate) verifyKey(ctx context.Context, peer identity.Peer, _ []byte, emit func(any) error) error {
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	k, err := d.verify.Key(ctx, e.Account().UUID)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return emit(*ownKey(k))
}

// inThisRealm is the name of "name@realm" or "name".
func (d *Gate) inThisRealm(typed string) (string, error) {
	name, realm, qualified := strings.Cut(typed, "@")
	if qualified && realm != d.o.Realm {
		return "", errOtherRealm
	}
	return name, nil
}

// verifyCall asks the realm who that is, which begins a call in its audit log. Where no server
// answers, what is remembered counts.
func (d *Gate) verifyCall(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifyWith
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	a := e.Account()
	name, err := d.inThisRealm(in.Name)
	if err != nil {
		return err
	}
	if _, err := d.verify.Key(ctx, a.UUID); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	away := false
	if !in.Again {
		person, own, err := d.o.Provider.Verifier.FindVerifyPerson(ctx, string(a.Name), name)
		switch {
		case errors.Is(err, provider.ErrOffline):
			away = true
		case err != nil:
			return err //nolint:wrapcheck // the server's words
		default:
			if err := d.verify.Learn(ctx, a.UUID, person, own); err != nil {
				return err //nolint:wrapcheck // it says what it is about
			}
		}
	}
	call, err := d.verify.Say(ctx, a.UUID, name)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	call.Away = away
	return emit(call)
}

func (d *Gate) verifyHeard(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.VerifyHeard
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	e, err := d.verifying(peer)
	if err != nil {
		return err
	}
	if in.Name, err = d.inThisRealm(in.Name); err != nil {
		return err
	}
	a := e.Account()
	v, id, err := d.verify.Hear(ctx, a.UUID, in)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if v.Verdict != verify.NoCode {
		note, end := context.WithTimeout(ctx, noteTimeout)
		defer end()
		if err := d.o.Provider.Verifier.NoteVerification(note, string(a.Name), id, v.Verdict == verify.Confirmed); err != nil {
			v.Unrecorded = true
			d.log.WarnContext(ctx, "a verification is not in the realm's audit log", "account", a.Name, "error", err)
		}
	}
	return emit(v)
}
