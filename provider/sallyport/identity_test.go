package sallyport_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/identity/wallet/wallettest"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

const identityPassword = "a phrase of alice's own"

// vouching is a realm with the identity service switched on, and alice's code.
func vouching(t *testing.T) (*liveRealm, string) {
	t.Helper()
	r := newRealm(t)
	r.account("alice")
	on := true
	if _, err := r.admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &on}); err != nil {
		t.Fatal(err)
	}
	i, err := r.admin.InviteIdentity(t.Context(), &v1.NameRequest{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return r, i.GetCode()
}

func pakeClient(t *testing.T) *pake.Client {
	t.Helper()
	c, err := pake.ForIdentities.NewClient("example.org")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pakeMessage(t *testing.T, m []byte, err error) report.IdentityMessage {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return report.IdentityMessage{Message: m}
}

func registers(t *testing.T, p *sallyport.Provider, code, device string) ([]byte, error) {
	t.Helper()
	c, login := pakeClient(t), pakeClient(t)
	m, err := c.Register(secret(identityPassword))
	stream, step, err := p.BeginIdentity(t.Context(), "alice", report.IdentityBegin{Register: true, Code: code, Device: device, IdentityMessage: pakeMessage(t, m, err)})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	record, err := c.Record(step.Message)
	if err != nil {
		t.Fatal(err)
	}
	m, err = login.Login(secret(identityPassword))
	second := pakeMessage(t, m, err)
	second.Record = record
	if step, err = stream.Next(second); err != nil {
		return nil, err
	}
	m, err = login.Finish(step.Message)
	step, err = stream.Next(pakeMessage(t, m, err))
	return step.Token, err
}

// logsIn sends junk for a proof where the client finds that the password is wrong.
func logsIn(t *testing.T, p *sallyport.Provider, password, device string) ([]byte, error) {
	t.Helper()
	c := pakeClient(t)
	m, err := c.Login(secret(password))
	stream, step, err := p.BeginIdentity(t.Context(), "alice", report.IdentityBegin{Device: device, IdentityMessage: pakeMessage(t, m, err)})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	ke3, err := c.Finish(step.Message)
	if err != nil {
		ke3 = bytes.Repeat([]byte{1}, 64)
	}
	step, err = stream.Next(report.IdentityMessage{Message: ke3})
	if _, more := stream.Next(report.IdentityMessage{Message: ke3}); more == nil {
		t.Error("an exchange goes on after its end")
	}
	return step.Token, err
}

func saysNo(t *testing.T, what string, err error, text string) {
	t.Helper()
	var no provider.RequestError
	if !errors.As(err, &no) || !strings.Contains(string(no), text) || errors.Is(err, provider.ErrOffline) {
		t.Errorf("%s: %v, want %q", what, err, text)
	}
}

func valid(t *testing.T, p *sallyport.Provider, device string, token []byte) bool {
	t.Helper()
	v, err := p.VerifyIdentity(t.Context(), report.IdentityToken{Name: "alice", Device: device, Token: token})
	if err != nil {
		t.Error(err)
	}
	return v
}

// Promise identity-client-yes.
func TestTheMachineCarriesARegistrationAndALogin(t *testing.T) {
	r, code := vouching(t)
	p := r.machine()
	first, err := registers(t, p, code, "phone")
	if err != nil || !valid(t, p, "phone", first) {
		t.Fatal(err)
	}
	second, err := logsIn(t, p, identityPassword, "laptop")
	if err != nil || !valid(t, p, "laptop", second) || valid(t, p, "phone", second) || valid(t, p, "laptop", nil) {
		t.Fatal(err)
	}
	own := report.IdentityToken{Name: "alice", Device: "laptop", Token: second}
	all, err := p.IdentityDevices(t.Context(), own)
	if err != nil || len(all) != 2 || all[0].AuthType != "password" || all[0].Expires.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	own.Ends = "phone"
	if err := p.RevokeIdentity(t.Context(), own); err != nil || valid(t, p, "phone", first) || !valid(t, p, "laptop", second) {
		t.Errorf("%v", err)
	}
}

// Promise wallet-client.
func TestTheMachineCarriesALoginByWallet(t *testing.T) {
	r, _ := vouching(t)
	p := r.machine()
	w := wallettest.New(t)
	login := func(m wallet.Message) ([]byte, error) {
		return p.LoginByWallet(t.Context(), "alice", report.IdentityWallet{Device: "phone", Address: w.Address.String(), Signed: w.Signed(m)})
	}
	m := wallet.Login{Realm: "example.org", Chain: 1, Device: "phone"}.Message(w.Address, time.Now())
	token, err := login(m)
	saysNo(t, "a wallet that nobody added", err, "identity add-wallet NAME ADDRESS")
	if token != nil {
		t.Error("it gave a token")
	}
	if _, err := r.admin.AddIdentityWallet(t.Context(), &v1.IdentityWalletRequest{Name: "alice", Address: w.Address.String()}); err != nil {
		t.Fatal(err)
	}
	if token, err = login(m); err != nil || !valid(t, p, "phone", token) || valid(t, p, "laptop", token) {
		t.Fatal(err)
	}
	_, err = login(m)
	saysNo(t, "again", err, "sign a new one")
	r.stop()
	if _, err = login(m); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("without a server: %v", err)
	}
}

// Promise identity-client-words.
func TestWhatTheIdentityServiceRefusesIsToldInItsWords(t *testing.T) {
	r, code := vouching(t)
	p := r.machine()
	_, err := registers(t, p, "WRONG", "phone")
	saysNo(t, "a wrong code", err, "the code is wrong, used or over")
	if _, err = registers(t, p, code, "phone"); err != nil {
		t.Fatal(err)
	}
	_, err = p.IdentityDevices(t.Context(), report.IdentityToken{Name: "alice", Device: "phone", Token: []byte("none")})
	saysNo(t, "a wrong token", err, "log in again")
	for i := 0; ; i++ {
		_, err = logsIn(t, p, "wrong", "phone")
		if err == nil || i > 100 {
			t.Fatalf("a wrong password: %v", err)
		}
		if strings.Contains(err.Error(), "too many wrong answers") {
			break
		}
		saysNo(t, "a wrong password", err, pake.ErrWrong.Error())
	}
	_, err = logsIn(t, p, identityPassword, "phone")
	saysNo(t, "while it is locked", err, "too many wrong answers: wait ")
	off := false
	if _, err = r.admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	_, err = logsIn(t, p, identityPassword, "phone")
	saysNo(t, "while it is off", err, "this realm has no identity service")
	_, err = p.VerifyIdentity(t.Context(), report.IdentityToken{Name: "alice", Device: "phone", Token: []byte("none")})
	saysNo(t, "while it is off", err, "this realm has no identity service")
	r.stop()
	if _, err = logsIn(t, p, identityPassword, "phone"); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("without a server: %v", err)
	}
}

func TestAnExchangeEndsWithItsContext(t *testing.T) {
	r, _ := vouching(t)
	p := r.machine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m, err := pakeClient(t).Login(secret("any"))
	stream, _, err := p.BeginIdentity(ctx, "alice", report.IdentityBegin{Device: "phone", IdentityMessage: pakeMessage(t, m, err)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if step, err := stream.Next(report.IdentityMessage{Message: make([]byte, 64)}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", step, err)
	}
}
