package identityservice_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/identity/wallet/wallettest"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// wallet is one of that account's.
func (r *rig) wallet(account string) *wallettest.Wallet {
	r.T.Helper()
	w := wallettest.New(r.T)
	r.Must(r.Admin.AddIdentityWallet(r.T.Context(), &v1.IdentityWalletRequest{Name: account, Address: w.Address.String()}))
	return w
}

// message is one to log in with on that device.
func (r *rig) message(by *wallettest.Wallet, device string) wallet.Message {
	return wallet.Login{Realm: r.Name, Chain: 1, Device: device}.Message(by.Address, r.Now())
}

func (d device) walletLogin(user, dev, address string, signed []byte) ([]byte, error) {
	stream, err := d.LoginUser(d.T.Context())
	if err != nil {
		return nil, err
	}
	defer hangUp(stream)
	got, err := exchange(stream, &pb.LoginRequest{Data: &pb.LoginRequest_WalletLoginRequest{
		WalletLoginRequest: &pb.WalletLoginRequest{UserID: user, DeviceID: dev, WalletAddress: address, SignedMessage: signed},
	}})
	return got.GetWalletLoginResponse().GetToken(), err
}

// signsIn is walletLogin with a new message.
func (d device) signsIn(user, dev string, w *wallettest.Wallet) ([]byte, error) {
	return d.walletLogin(user, dev, w.Address.String(), w.Signed(d.message(w, dev)))
}

// Promise wallet-login.
func TestAWalletOfAnAccountLogsIn(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	w, carols := r.wallet("alice"), r.wallet("carol")
	token, err := d.signsIn("alice", "my phone", w)
	r.Must(nil, err)
	if !d.verifies("alice", "my phone", token) || d.verifies("carol", "my phone", token) || d.verifies("alice", "phone", token) {
		t.Error("the token is not that of alice's phone")
	}
	list, err := d.ListDevices(t.Context(), &pb.ListDevicesRequest{UserID: "alice", DeviceID: "my phone", Token: token})
	r.Must(nil, err)
	if len(list.GetDevices()) != 1 || list.GetDevices()[0].GetAuthType() != "wallet" {
		t.Errorf("%v", list)
	}
	another := wallettest.New(t)
	said := map[string]bool{}
	for what, try := range map[string]func() ([]byte, error){
		"a wallet that is nobody's": func() ([]byte, error) { return d.signsIn("alice", "phone", another) },
		"another account's":         func() ([]byte, error) { return d.signsIn("alice", "phone", carols) },
		"nobody":                    func() ([]byte, error) { return d.signsIn("nobody", "phone", w) },
		"another's name":            func() ([]byte, error) { return d.signsIn("carol", "phone", w) },
		"another's signature":       func() ([]byte, error) { return d.forged(w, another) },
		"another address in the field": func() ([]byte, error) {
			return d.walletLogin("alice", "phone", another.Address.String(), w.Signed(d.message(w, "phone")))
		},
		"another's name in the field": func() ([]byte, error) {
			return d.walletLogin("alice", "phone", w.Address.String(), another.Signed(d.message(another, "phone")))
		},
	} {
		token, err := try()
		r.wants(what, err, connect.CodeUnauthenticated)
		if token != nil {
			t.Errorf("%s gets a token", what)
		}
		said[err.Error()] = true
	}
	if len(said) != 1 {
		t.Errorf("they are told apart: %v", said)
	}
}

// forged is a message of alice's that another has signed.
func (d device) forged(of, by *wallettest.Wallet) ([]byte, error) {
	text := d.message(of, "phone").String()
	return d.walletLogin("alice", "phone", of.Address.String(), append([]byte(text), by.Sign(text)...))
}

// Promise wallet-once.
func TestASignedMessageIsGoodOnceAndForOneLogin(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	w := r.wallet("alice")
	good := r.message(w, "phone")
	for what, change := range map[string]func(*wallet.Message){
		"another realm's":  func(m *wallet.Message) { m.Domain = "example.com" },
		"another chain's":  func(m *wallet.Message) { m.ChainID = 5 },
		"another device's": func(m *wallet.Message) { m.RequestID = new("tablet") },
		"of yesterday":     func(m *wallet.Message) { m.IssuedAt = m.IssuedAt.Add(-24 * time.Hour) },
		"of tomorrow":      func(m *wallet.Message) { m.IssuedAt = m.IssuedAt.Add(24 * time.Hour) },
		"expired":          func(m *wallet.Message) { m.Expiration = &m.IssuedAt },
		"a short nonce":    func(m *wallet.Message) { m.Nonce = "1234567" },
	} {
		m := good
		change(&m)
		_, err := d.walletLogin("alice", "phone", w.Address.String(), w.Signed(m))
		r.wants(what, err, connect.CodeInvalidArgument)
	}
	token, err := d.walletLogin("alice", "phone", w.Address.String(), w.Signed(good))
	r.Must(nil, err)
	again := func(what string, code connect.Code) {
		_, err := d.walletLogin("alice", "phone", w.Address.String(), w.Signed(good))
		r.wants(what, err, code)
	}
	again("again", connect.CodeUnauthenticated)
	second := good // the same nonce in another message
	second.Statement = "Another."
	_, err = d.walletLogin("alice", "phone", w.Address.String(), w.Signed(second))
	r.wants("its nonce again", err, connect.CodeUnauthenticated)
	r.Unix.Add(int64(wallet.Lasts/time.Second) - 1)
	again("in its last second", connect.CodeUnauthenticated)
	_, err = d.signsIn("alice", "tablet", w) // by which what is over is forgotten
	r.Must(nil, err)
	again("in its last second, still", connect.CodeUnauthenticated)
	r.Unix.Add(2)
	_, err = d.signsIn("alice", "tablet", w)
	r.Must(nil, err)
	again("when it is over", connect.CodeInvalidArgument)
	r.Unix.Add(-60) // the clock is set back, and the nonce is forgotten
	again("by a clock that was set back", connect.CodeInvalidArgument)
	if !d.verifies("alice", "phone", token) {
		t.Error("the token is not good any more")
	}
}

// Promise wallet-once.
func TestASignedMessageIsGoodOnceWhoeverIsFirst(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	w := r.wallet("alice")
	signed := w.Signed(r.message(w, "phone"))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = d.walletLogin("alice", "phone", w.Address.String(), signed) })
	}
	wg.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		} else {
			r.wants("one that came later", err, connect.CodeUnauthenticated)
		}
	}
	if good != 1 {
		t.Errorf("it was good %d times", good)
	}
}

// Promise wallet-removed.
func TestTheTokensOfAWalletEndWithIt(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	byPassword := d.registered()
	w, other := r.wallet("alice"), r.wallet("alice")
	token, err := d.signsIn("alice", "tablet", w)
	r.Must(nil, err)
	others, err := d.signsIn("alice", "watch", other)
	r.Must(nil, err)
	used := w.Signed(r.message(w, "tablet"))
	_, err = d.walletLogin("alice", "tablet", w.Address.String(), used)
	r.Must(nil, err)
	if d.verifies("alice", "tablet", token) {
		t.Error("a device has two tokens")
	}
	token, err = d.signsIn("alice", "tablet", w)
	r.Must(nil, err)
	one := &v1.IdentityWalletRequest{Name: "alice", Address: w.Address.String()}
	if _, err := r.Admin.RemoveIdentityWallet(t.Context(), &v1.IdentityWalletRequest{Name: "carol", Address: w.Address.String()}); err == nil {
		t.Error("carol's wallet was removed, who has none")
	}
	if !d.verifies("alice", "tablet", token) {
		t.Error("it ended with another account's wallet")
	}
	r.Must(r.Admin.RemoveIdentityWallet(t.Context(), one))
	if d.verifies("alice", "tablet", token) || !d.verifies("alice", "phone", byPassword) || !d.verifies("alice", "watch", others) {
		t.Error("not the tokens of that wallet ended")
	}
	_, err = d.signsIn("alice", "tablet", w)
	r.wants("a wallet that was removed", err, connect.CodeUnauthenticated)
	r.Must(r.Admin.AddIdentityWallet(t.Context(), one))
	_, err = d.walletLogin("alice", "tablet", w.Address.String(), used)
	r.wants("a message that was used before", err, connect.CodeUnauthenticated)
	r.Must(r.Admin.RemoveIdentity(t.Context(), &v1.NameRequest{Name: "alice"}))
	for _, w := range []*wallettest.Wallet{w, other} {
		_, err = d.signsIn("alice", "tablet", w)
		r.wants("after identity remove", err, connect.CodeUnauthenticated)
	}
	if d.verifies("alice", "watch", others) {
		t.Error("a token was left")
	}
}

// Promise wallet-owner.
func TestAWalletIsOneAccounts(t *testing.T) {
	r := newRig(t)
	w := r.wallet("alice")
	add := func(name, address string) error {
		_, err := r.Admin.AddIdentityWallet(t.Context(), &v1.IdentityWalletRequest{Name: name, Address: address})
		return err
	}
	for what, c := range map[string]struct{ name, address string }{
		"another's":       {"carol", w.Address.String()},
		"again":           {"alice", w.Address.String()},
		"without a case":  {"alice", strings.ToLower(wallettest.New(t).Address.String())},
		"nobody's":        {"nobody", wallettest.New(t).Address.String()},
		"no address":      {"alice", "ada.eth"},
		"an empty one":    {"alice", ""},
		"of zeros, small": {"alice", "0x0"},
	} {
		if add(c.name, c.address) == nil {
			t.Errorf("%s was added", what)
		}
	}
	for range 15 {
		r.wallet("alice")
	}
	if add("alice", wallettest.New(t).Address.String()) == nil {
		t.Error("there is no limit")
	}
	r.Must(r.Admin.RemoveAccount(t.Context(), &v1.NameRequest{Name: "alice"}))
	r.Must(nil, add("carol", w.Address.String()))
}

// A flood of wrong signatures locks neither the wallet nor the password out, and a password
// that somebody locked does not lock the wallet out.
// Promise wallet-locks.
func TestAWrongSignatureLocksNobodyOut(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	d.registered()
	w, another := r.wallet("alice"), wallettest.New(t)
	for range 60 {
		_, err := d.forged(w, another)
		r.wants("another's signature", err, connect.CodeUnauthenticated)
	}
	_, err := d.signsIn("alice", "phone", w)
	r.Must(nil, err)
	_, err = d.login("alice", "phone", password, whole)
	r.Must(nil, err)
	for range 5 {
		_, _ = d.login("alice", "phone", "wrong", whole)
	}
	_, err = d.login("alice", "phone", password, whole)
	r.wants("the password after five wrong ones", err, connect.CodeResourceExhausted)
	_, err = d.signsIn("alice", "phone", w)
	r.Must(nil, err)
	r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures("alice")
		for _, f := range list {
			if f.Kind != identity.Password {
				t.Errorf("counted: %+v", f)
			}
		}
		return err
	}))
}

// Promise wallet-login.
func TestAWalletOpensNoAccountThatIsNotInGoodStanding(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	w := r.wallet("alice")
	token, err := d.signsIn("alice", "phone", w)
	r.Must(nil, err)
	r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: true}))
	signed := w.Signed(r.message(w, "phone"))
	_, err = d.walletLogin("alice", "phone", w.Address.String(), signed)
	r.wants("a disabled account", err, connect.CodePermissionDenied)
	if d.verifies("alice", "phone", token) {
		t.Error("a disabled account's token is good")
	}
	r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "alice"}))
	_, err = d.walletLogin("alice", "phone", w.Address.String(), signed)
	r.Must(nil, err) // what was refused took no nonce
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "few"}))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "laptop", Scope: &v1.Scope{Groups: []string{"few"}}}))
	_, err = d.signsIn("alice", "phone", w)
	r.wants("a machine that may not know her", err, connect.CodeUnauthenticated)
	outsider := device{r, r.client(nil), store.Machine{}}
	_, err = outsider.signsIn("alice", "phone", w)
	r.wants("no machine of the realm", err, connect.CodeUnauthenticated)
}

// Promise wallet-login.
func TestTheChainOfWalletsIsASetting(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	w := r.wallet("alice")
	chain := uint64(137)
	r.Must(r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{WalletChain: &chain}))
	_, err := d.signsIn("alice", "phone", w)
	r.wants("chain 1", err, connect.CodeInvalidArgument)
	if !strings.Contains(err.Error(), "its Chain ID is 1, and this realm's is 137") {
		t.Error(err)
	}
	m := r.message(w, "phone")
	m.ChainID = 137
	_, err = d.walletLogin("alice", "phone", w.Address.String(), w.Signed(m))
	r.Must(nil, err)
	chain = 0
	if _, err := r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{WalletChain: &chain}); err == nil {
		t.Error("chain 0 was taken")
	}
}
