package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/identitystream"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// fakeIdentities notes whose account it is asked about.
type fakeIdentities struct {
	asked []string
	valid bool
	err   error
}

func (f *fakeIdentities) BeginIdentity(_ context.Context, account string, b report.IdentityBegin) (provider.IdentityStream, report.IdentityStep, error) {
	f.asked = append(f.asked, "begin "+account+" "+b.Device)
	if f.err != nil {
		return nil, report.IdentityStep{}, f.err
	}
	return f, report.IdentityStep{Message: []byte("first")}, nil
}

func (f *fakeIdentities) Next(m report.IdentityMessage) (report.IdentityStep, error) {
	f.asked = append(f.asked, "next "+string(m.Message))
	return report.IdentityStep{Token: []byte("token")}, f.err
}

func (*fakeIdentities) Close() {}

func (f *fakeIdentities) LoginByWallet(_ context.Context, account string, w report.IdentityWallet) ([]byte, error) {
	f.asked = append(f.asked, "wallet "+account+" "+w.Address)
	return []byte("token"), f.err
}

func (f *fakeIdentities) VerifyIdentity(_ context.Context, t report.IdentityToken) (bool, error) {
	f.asked = append(f.asked, "verify "+t.Name)
	return f.valid, f.err
}

func (f *fakeIdentities) IdentityDevices(_ context.Context, t report.IdentityToken) ([]report.IdentityDevice, error) {
	f.asked = append(f.asked, "devices "+t.Name)
	return []report.IdentityDevice{{Device: "d"}}, f.err
}

func (f *fakeIdentities) RevokeIdentity(_ context.Context, t report.IdentityToken) error {
	f.asked = append(f.asked, "revoke "+t.Name+" "+t.Ends)
	return f.err
}

func vouched(t *testing.T) (*testMachine, *fakeIdentities) {
	t.Helper()
	h := plainAlice(t)
	f := &fakeIdentities{}
	h.d.Gate.o.Provider.IdentityService = f
	return h, f
}

// identityArgs are of each verb of the identity service.
func identityArgs() map[string]any {
	token := report.IdentityToken{Name: "bob", Device: "d", Token: []byte("t"), Ends: "e"}
	return map[string]any{
		report.VerbIdentityBegin:   report.IdentityBegin{Device: "d", IdentityMessage: report.IdentityMessage{Message: []byte("m")}},
		report.VerbIdentityWallet:  report.IdentityWallet{Device: "d", Address: "0x", Signed: []byte("m")},
		report.VerbIdentityVerify:  token,
		report.VerbIdentityDevices: token,
		report.VerbIdentityRevoke:  token,
	}
}

// Promise identity-client-account.
func TestTheIdentityServiceIsAskedAboutTheCallersOwnAccount(t *testing.T) {
	h, f := vouched(t)
	for verb, args := range identityArgs() {
		for _, uid := range []uint32{0, 1000, aliceUID + 1} {
			a, err := h.enrol(uid, verb, args)
			if verb == report.VerbIdentityVerify {
				if v, is := a.(report.IdentityVerified); err != nil || !is || v.Valid {
					t.Errorf("uid %d, %s: %+v, %v", uid, verb, a, err)
				}
			} else if !errors.Is(err, report.ErrForbidden) {
				t.Errorf("uid %d, %s: %+v, %v", uid, verb, a, err)
			}
		}
		if _, err := h.enrol(aliceUID, verb, args); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
	slices.Sort(f.asked)
	if got := slices.Compact(f.asked); !slices.Equal(got, []string{"begin alice d", "devices alice", "revoke alice e", "verify bob", "wallet alice 0x"}) {
		t.Errorf("asked: %q", got)
	}
}

// Promise identity-client-handle.
func TestAnExchangeOfAliceIsHersOverTheSocketToo(t *testing.T) {
	h, f := vouched(t)
	a, err := h.enrol(aliceUID, report.VerbIdentityBegin, identityArgs()[report.VerbIdentityBegin])
	must(t, err)
	next := report.IdentityNext{Handle: a.(report.IdentityStep).Handle, IdentityMessage: report.IdentityMessage{Message: []byte("two")}}
	for _, uid := range []uint32{0, 1000} {
		if a, err := h.enrol(uid, report.VerbIdentityNext, next); !errors.Is(err, identitystream.ErrGone) {
			t.Errorf("uid %d: %+v, %v", uid, a, err)
		}
	}
	a, err = h.enrol(aliceUID, report.VerbIdentityNext, next)
	if s, is := a.(report.IdentityStep); err != nil || !is || string(s.Token) != "token" || s.Handle != "" {
		t.Errorf("%+v, %v", a, err)
	}
	if !slices.Equal(f.asked, []string{"begin alice d", "next two"}) {
		t.Errorf("asked: %q", f.asked)
	}
}

// Promise identity-client-words, identity-client-yes.
func TestAnIdentityServiceThatDoesNotAnswerIsTold(t *testing.T) {
	h, f := vouched(t)
	for says, want := range map[error]error{
		provider.ErrOffline:             report.ErrAway,
		provider.RequestError("locked"): provider.RequestError("locked"),
		provider.ErrRefusedMachine:      provider.ErrRefusedMachine,
	} {
		f.valid, f.err = true, says
		for verb, args := range identityArgs() {
			if a, err := h.enrol(aliceUID, verb, args); !errors.Is(err, want) || a != nil && verb != report.VerbIdentityDevices {
				t.Errorf("%v: %s: %+v, %v", says, verb, a, err)
			}
		}
	}
	h.d.Gate.o.Provider.IdentityService = nil
	for verb, args := range identityArgs() {
		if a, err := h.enrol(aliceUID, verb, args); !errors.Is(err, errNoIdentities) {
			t.Errorf("%s: %+v, %v", verb, a, err)
		}
	}
	if !slices.Contains(h.status().Providers[0].Missing, "identity service") {
		t.Errorf("status does not say so: %q", h.status().Providers[0].Missing)
	}
}
