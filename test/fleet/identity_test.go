package fleet

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/identity/wallet/wallettest"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

const identityPassword = "a phrase of ada's own"

// vouches switches the identity service on, and is ada with a code and a wallet.
func (r *rig) vouches() (code string, w *wallettest.Wallet) {
	r.t.Helper()
	on := true
	r.must(r.admin.SetIdentityService(r.t.Context(), &v1.SetIdentityServiceRequest{Enabled: &on}))
	r.must(r.admin.AddAccount(r.t.Context(), &v1.AddAccountRequest{Name: "ada"}))
	w = wallettest.New(r.t)
	r.must(r.admin.AddIdentityWallet(r.t.Context(), &v1.IdentityWalletRequest{Name: "ada", Address: w.Address.String()}))
	return r.invites(), w
}

func (r *rig) invites() string {
	r.t.Helper()
	i, err := r.admin.InviteIdentity(r.t.Context(), &v1.NameRequest{Name: "ada"})
	r.must(nil, err)
	return i.GetCode()
}

func (r *rig) pake() *pake.Client {
	r.t.Helper()
	c, err := pake.ForIdentities.NewClient("example.org")
	r.must(nil, err)
	return c
}

// registers goes through a registration of ada's.
func (r *rig) registers(p *sallyport.Provider, code, device string) ([]byte, error) {
	r.t.Helper()
	c, login, secret := r.pake(), r.pake(), identity.NewSecret([]byte(identityPassword))
	m, err := c.Register(secret)
	r.must(nil, err)
	stream, step, err := p.BeginIdentity(r.t.Context(), "ada", report.IdentityBegin{Register: true, Code: code, Device: device, IdentityMessage: report.IdentityMessage{Message: m}})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	record, err := c.Record(step.Message)
	r.must(nil, err)
	m, err = login.Login(secret)
	r.must(nil, err)
	if step, err = stream.Next(report.IdentityMessage{Message: m, Record: record}); err != nil {
		return nil, err
	}
	m, err = login.Finish(step.Message)
	r.must(nil, err)
	step, err = stream.Next(report.IdentityMessage{Message: m})
	return step.Token, err
}

// logsIn is a login of ada's by password. Where the password is wrong, the client ends it.
func (r *rig) logsIn(p *sallyport.Provider, password, device string) ([]byte, error) {
	r.t.Helper()
	c := r.pake()
	m, err := c.Login(identity.NewSecret([]byte(password)))
	r.must(nil, err)
	stream, step, err := p.BeginIdentity(r.t.Context(), "ada", report.IdentityBegin{Device: device, IdentityMessage: report.IdentityMessage{Message: m}})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	m, err = c.Finish(step.Message)
	if err != nil {
		return nil, err
	}
	step, err = stream.Next(report.IdentityMessage{Message: m})
	return step.Token, err
}

// signed is a message for ada's login on that device.
func signed(w *wallettest.Wallet, device string) report.IdentityWallet {
	m := wallet.Login{Realm: "example.org", Chain: 1, Device: device}.Message(w.Address, time.Now())
	return report.IdentityWallet{Device: device, Address: w.Address.String(), Signed: w.Signed(m)}
}

func (r *rig) verifies(p *sallyport.Provider, device string, token []byte) bool {
	r.t.Helper()
	is, err := p.VerifyIdentity(r.t.Context(), report.IdentityToken{Name: "ada", Device: device, Token: token})
	r.must(nil, err)
	return is
}

// Promise fleet-identity.
func TestATokenIsGoodAtAllServersAndACodeOrAMessageOnce(t *testing.T) {
	r := newRig(t)
	code, w := r.vouches()
	one := r.joined("box", 0) // one machine, that asks one server and the other
	other := one
	other.URL, other.Others, other.Memory = one.Others[0], []string{one.URL}, &providertest.Memory{}
	at := [2]*sallyport.Provider{r.boot(one), r.boot(other)}
	token, err := r.registers(at[0], code, "phone")
	r.must(nil, err)
	second, err := r.logsIn(at[1], identityPassword, "tablet")
	r.must(nil, err)
	for i, p := range at {
		if !r.verifies(p, "phone", token) || !r.verifies(p, "tablet", second) || r.verifies(p, "phone", second) {
			t.Errorf("server %d knows other tokens", i)
		}
		list, err := p.IdentityDevices(t.Context(), report.IdentityToken{Name: "ada", Device: "phone", Token: token})
		if err != nil || len(list) != 2 {
			t.Errorf("server %d: %+v, %v", i, list, err)
		}
	}
	r.must(nil, at[1].RevokeIdentity(t.Context(), report.IdentityToken{Name: "ada", Device: "phone", Token: token}))
	if r.verifies(at[0], "phone", token) {
		t.Error("a token that was revoked at the other server is good")
	}
	for range 10 {
		login := signed(w, "watch")
		use := func(p *sallyport.Provider) func() bool {
			return func() bool { got, err := p.LoginByWallet(t.Context(), "ada", login); return err == nil && got != nil }
		}
		if n := atOnce(use(at[0]), use(at[1]), use(at[0]), use(at[1])); n != 1 {
			t.Fatalf("one message logged in %d times", n)
		}
	}
	for range 3 {
		code := r.invites()
		use := func(p *sallyport.Provider, device string) func() bool {
			return func() bool { got, err := r.registers(p, code, device); return err == nil && got != nil }
		}
		if n := atOnce(use(at[0], "a"), use(at[1], "b")); n != 1 {
			t.Fatalf("one code registered %d times", n)
		}
	}
	for n := range 5 {
		if _, err := r.logsIn(at[n%2], "wrong", "phone"); err == nil || strings.Contains(err.Error(), "too many") {
			t.Fatalf("wrong password %d: %v", n, err)
		}
	}
	for i, p := range at {
		if _, err := r.logsIn(p, identityPassword, "phone"); err == nil || !strings.Contains(err.Error(), "too many wrong answers") {
			t.Errorf("server %d after five wrong ones at both: %v", i, err)
		}
	}
}

// Promise fleet-identity.
func TestABranchVouchesForPeopleAndLogsNobodyIn(t *testing.T) {
	b := newBranch(t, false, 0)
	code, w := b.vouches()
	j := b.join("box")
	m := b.open(j, b.full.URL, b.reads.URL)
	token, err := b.registers(m, code, "phone")
	b.must(nil, err)
	revoked, err := m.LoginByWallet(t.Context(), "ada", signed(w, "watch"))
	b.must(nil, err)
	if !b.verifies(m, "watch", revoked) {
		t.Fatal("a wallet's token is not good")
	}
	b.must(nil, m.RevokeIdentity(t.Context(), report.IdentityToken{Name: "ada", Device: "watch", Token: revoked}))
	b.caughtUp()
	b.cutOff()
	if !b.verifies(m, "phone", token) || b.verifies(m, "watch", revoked) || b.verifies(m, "phone", revoked) {
		t.Errorf("it vouches otherwise than the full server: %s", b.reads.Log())
	}
	own := report.IdentityToken{Name: "ada", Device: "phone", Token: token}
	list, err := m.IdentityDevices(t.Context(), own)
	if err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	foreign := identitypbconnect.NewIdentityServiceClient(b.client(j.Key), b.reads.URL, connect.WithGRPC())
	if v, err := foreign.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: "ada", DeviceID: "phone", Token: token}); err != nil || !v.GetTokenValid() {
		t.Errorf("a client of another maker: %v, %v", v, err)
	}
	refused := func(what string, got []byte, err error) {
		t.Helper()
		if err == nil || got != nil || !errors.Is(err, provider.ErrOffline) || !strings.Contains(err.Error(), "a full server of the realm") {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	for range 8 { // which must count as no wrong password
		got, err := b.logsIn(m, identityPassword, "phone")
		refused("a login", got, err)
	}
	got, err := m.LoginByWallet(t.Context(), "ada", signed(w, "watch"))
	refused("a login by wallet", got, err)
	got, err = b.registers(m, "CODE", "phone")
	refused("a registration", got, err)
	refused("a revocation", nil, m.RevokeIdentity(t.Context(), own))
	if !b.verifies(m, "phone", token) {
		t.Error("the token ended")
	}
	if log := b.reads.Log(); strings.Contains(log, string(token)) || strings.Contains(log, hex.EncodeToString(token)) || strings.Contains(log, identityPassword) {
		t.Errorf("its log: %s", log)
	}
}
