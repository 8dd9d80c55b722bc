package sallyport_test

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/seal"
)

const totpKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

func ok(t testing.TB, _ any, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// steps goes through one authentication and returns every reply.
func steps(t testing.TB, p *sallyport.Provider, a provider.Attempt, answers ...func(provider.Reply) (identity.FactorKind, string)) provider.Reply {
	t.Helper()
	e, reply, err := p.Begin(t.Context(), a)
	ok(t, nil, err)
	for _, answer := range answers {
		kind, credential := answer(reply)
		reply, err = e.Step(t.Context(), provider.Answer{Kind: kind, Credential: secret(credential)})
		ok(t, nil, err)
	}
	return reply
}

func say(kind identity.FactorKind, credential string) func(provider.Reply) (identity.FactorKind, string) {
	return func(provider.Reply) (identity.FactorKind, string) { return kind, credential }
}

func codeOf(t testing.TB, key string, ahead time.Duration) string {
	t.Helper()
	c, err := totp.GenerateCode(key, time.Now().Add(ahead))
	ok(t, nil, err)
	return c
}

// Promise otp-sealed-by-policy.
func TestASealedSecretReachesOnlyTheMachineThatRegisteredItsKey(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	ok(t, nil, second(r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(totpKey)})))
	ok(t, nil, second(r.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "travellers", OfflineCodes: true})))
	ok(t, nil, second(r.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "travellers", Member: "alice"})))
	o := r.options("box")
	p, other := open(t, o), open(t, r.options("other"))
	ok(t, nil, second(r.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", OfflineCodes: proto.Bool(true)})))
	f, err := seal.CreateFile(filepath.Join(t.TempDir(), "seal.key"))
	ok(t, nil, err)
	public, err := f.Public(t.Context())
	ok(t, nil, err)
	for _, bad := range [][]byte{nil, public[1:], make([]byte, len(public)), append(public[:64:64], public[64]^1)} {
		if err := p.SetSealingKey(t.Context(), bad); err == nil {
			t.Errorf("%d bytes that are no key are taken", len(bad))
		}
	}
	ok(t, nil, p.SetSealingKey(t.Context(), public))
	ok(t, nil, p.SetSealingKey(t.Context(), public)) // again, as at each start

	now := codeOf(t, totpKey, 0)
	reply := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.Password, testPassword), say(identity.TOTP, now))
	if reply.Outcome != provider.Allow || len(reply.Sealed) != 1 {
		t.Fatalf("%+v", reply)
	}
	s := reply.Sealed[0]
	epoch, _ := reply.Record.Token.FactorEpoch(identity.TOTP)
	info := identity.SealInfo("example.org", o.MachineID, reply.Record.Token.Account.UUID, identity.TOTP, epoch)
	if got, err := f.Open(t.Context(), info, s.Blob); err != nil || string(got) != totpKey || s.Epoch != epoch || s.LastStep == 0 {
		t.Fatalf("%v, epoch %d, step %d", err, s.Epoch, s.LastStep)
	}
	if _, err := f.Open(t.Context(), identity.SealInfo("example.org", uuid.New(), reply.Record.Token.Account.UUID, identity.TOTP, epoch), s.Blob); err == nil {
		t.Error("it is for any machine")
	}
	// The other machine is not marked, and what it says of used steps is believed.
	line := testPassword + codeOf(t, totpKey, identity.TOTPPeriod*time.Second)
	used := provider.Attempt{Name: "alice", UsedStep: time.Now().Unix()/identity.TOTPPeriod + 2}
	if reply = steps(t, other, used, say(identity.PasswordAndTOTP, line)); reply.Outcome != provider.Deny {
		t.Fatalf("a used step: %+v", reply)
	}
	reply = steps(t, other, provider.Attempt{Name: "alice"}, say(identity.PasswordAndTOTP, line))
	if reply.Outcome != provider.Allow || len(reply.Sealed) != 0 {
		t.Fatalf("%+v", reply)
	}
}

func second(_ any, err error) error { return err }

func TestAnEnrolmentGoesOverTheWire(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	enrol := provider.Attempt{Name: "alice", Service: "test", Enrol: identity.TOTP}
	reply := steps(t, p, enrol, say(identity.Password, testPassword), func(r provider.Reply) (identity.FactorKind, string) {
		u, err := url.Parse(string(r.OTPAuth.Reveal()))
		ok(t, nil, err)
		return identity.NewTOTP, codeOf(t, u.Query().Get("secret"), 0)
	})
	if reply.Outcome != provider.Allow {
		t.Fatalf("%+v", reply)
	}
	if _, held := reply.Record.Token.FactorEpoch(identity.TOTP); !held || len(reply.Session.Methods) != 2 {
		t.Fatalf("held %t, methods %v", held, reply.Session.Methods)
	}
	if _, _, err := p.Begin(t.Context(), provider.Attempt{Name: "alice", Enrol: "iris"}); err == nil {
		t.Error("it enrols what it does not know")
	}
}
