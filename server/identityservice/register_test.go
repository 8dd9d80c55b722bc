package identityservice_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise identity-service-register.
func TestOnlyTheCodeOfAnAccountRegistersIt(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	code, carols := r.invite("alice"), r.invite("carol")
	for what, c := range map[string]struct{ user, code string }{
		"no code": {"alice", ""}, "another's": {"alice", carols}, "nobody's account": {"nobody", code},
		"a made-up one": {"alice", strings.Repeat("A", 26)},
	} {
		_, err := d.register(c.user, "phone", c.code, password, whole)
		r.wants(what, err, connect.CodePermissionDenied)
	}
	_, err := d.register("alice", "phone", code, password, whole)
	r.Must(nil, err)
	_, err = d.register("alice", "phone", code, "another password", whole)
	r.wants("the same code again", err, connect.CodePermissionDenied)
	r.Unix.Add(24 * 3600)
	_, err = d.register("carol", "phone", carols, password, whole)
	r.wants("a day later", err, connect.CodePermissionDenied)
}

// Promise identity-service-register.
func TestARegistrationThatIsCutOffLeavesNothing(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	code := r.invite("alice")
	for _, far := range []cut{1, 2} {
		_, err := d.register("alice", "phone", code, "of one that was cut off", far)
		r.Must(nil, err)
		_, err = d.login("alice", "phone", "of one that was cut off", whole)
		r.wants("a login after it", err, connect.CodeUnauthenticated)
	}
	_, err := d.register("alice", "phone", code, "unproved", forged)
	r.wants("without its proof", err, connect.CodeUnauthenticated)
	r.Unix.Add(31)
	token, err := d.register("alice", "phone", code, password, whole)
	r.Must(nil, err)
	if !d.verifies("alice", "phone", token) {
		t.Error("the code was spent")
	}
}

// Promise identity-service-register.
func TestANewRegistrationEndsWhatWasBefore(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	old := d.registered()
	_, err := d.register("alice", "tablet", r.invite("alice"), "a new one", whole)
	r.Must(nil, err)
	if d.verifies("alice", "phone", old) {
		t.Error("a token of the password before is good")
	}
	_, err = d.login("alice", "phone", password, whole)
	r.wants("the password before", err, connect.CodeUnauthenticated)
	_, err = d.login("alice", "phone", "a new one", whole)
	r.Must(nil, err)
	_, err = d.loginWith("alice", "phone", "a new one", whole, func() {
		_, err := d.register("alice", "tablet", r.invite("alice"), "a newer one", whole)
		r.Must(nil, err)
	})
	r.wants("a password that was replaced during the login", err, connect.CodeUnauthenticated)
}

// Who is a machine, and what it may know, holds here as everywhere.
// Promise identity-service-machines.
func TestOnlyMachinesOfTheRealmAreAnsweredAboutWhomTheyMayKnow(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	token := d.registered()
	_, stranger, err := ed25519.GenerateKey(nil)
	r.Must(nil, err)
	for what, key := range map[string]ed25519.PrivateKey{"no key": nil, "a stranger": stranger} {
		c := device{r, r.client(key), store.Machine{}}
		_, err := c.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: "alice", DeviceID: "phone", Token: token})
		r.wants(what, err, connect.CodeUnauthenticated)
		_, err = c.login("alice", "phone", password, whole)
		r.wants(what+" logs in", err, connect.CodeUnauthenticated)
		_, err = c.register("alice", "phone", r.invite("alice"), password, whole)
		r.wants(what+" registers", err, connect.CodeUnauthenticated)
	}
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "few"}))
	other := r.device("desk")
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "desk", Scope: &v1.Scope{Groups: []string{"few"}}}))
	if other.verifies("alice", "phone", token) {
		t.Error("a machine that may not know her is told")
	}
	_, err = other.login("alice", "phone", password, whole)
	r.wants("a login where she is not known", err, connect.CodeUnauthenticated)
	_, err = other.register("alice", "phone", r.invite("alice"), password, whole)
	r.wants("a registration where she is not known", err, connect.CodePermissionDenied)
	r.Must(r.Admin.QuarantineMachine(t.Context(), &v1.NameRequest{Name: "laptop"}))
	_, err = d.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: "alice", DeviceID: "phone", Token: token})
	r.wants("in quarantine", err, connect.CodePermissionDenied)
}

// Promise identity-service-off.
func TestItIsOffUntilItIsSwitchedOn(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	token := d.registered()
	off := false
	r.Must(r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &off}))
	_, err := d.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: "alice", DeviceID: "phone", Token: token})
	r.wants("verify", err, connect.CodeUnimplemented)
	_, err = d.login("alice", "phone", password, whole)
	r.wants("login", err, connect.CodeUnimplemented)
	on := true
	r.Must(r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &on}))
	if !d.verifies("alice", "phone", token) {
		t.Error("its keys did not stay")
	}
}

// Promise identity-service-token.
func TestAPersonSeesAndEndsTheirDevicesAlone(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	token := d.registered()
	_, err := d.login("alice", "tablet", password, whole)
	r.Must(nil, err)
	mine := &pb.ListDevicesRequest{UserID: "alice", DeviceID: "phone", Token: token}
	list, err := d.ListDevices(t.Context(), mine)
	r.Must(nil, err)
	if len(list.GetDevices()) != 2 || list.GetDevices()[0].GetDeviceID() != "phone" || list.GetDevices()[0].GetAuthType() != "password" {
		t.Errorf("%v", list)
	}
	for what, m := range map[string]*pb.RevokeTokenRequest{
		"no token": {UserID: "alice", DeviceID: "phone", Ends: "tablet"}, "another's": {UserID: "carol", DeviceID: "phone", Token: token, Ends: "tablet"},
	} {
		_, err := d.RevokeToken(t.Context(), m)
		r.wants(what, err, connect.CodeUnauthenticated)
	}
	revoke := &pb.RevokeTokenRequest{UserID: "alice", DeviceID: "phone", Token: token, Ends: "tablet"}
	r.Must(d.RevokeToken(t.Context(), revoke))
	_, err = d.RevokeToken(t.Context(), revoke)
	r.wants("it has ended already", err, connect.CodeNotFound)
	revoke.Ends = ""
	r.Must(d.RevokeToken(t.Context(), revoke))
	if d.verifies("alice", "phone", token) {
		t.Error("it is good")
	}
}

// Streams that begin and do not go on take no more than their places, and give them back.
// Promise identity-service-limits.
func TestHalfDoneStreamsKeepNobodyElseOut(t *testing.T) {
	r := newRig(t)
	bad, good := r.device("bad"), r.device("good")
	good.registered()
	hang := func(n int) (func(), error) {
		ctx, end := context.WithCancel(t.Context())
		s, err := bad.LoginUser(ctx)
		r.Must(nil, err)
		ke1, err := bad.pake().Login(identity.NewSecret([]byte("x")))
		r.Must(nil, err)
		_, err = exchange(s, pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialRequestAndUserID{
			PakeCredentialRequestAndUserID: &pb.PakeCredentialRequestAndUserID{UserID: fmt.Sprintf("nobody%d", n), DeviceID: "phone", PakeCredentialRequest: ke1},
		}}))
		return func() { hangUp(s); end() }, err
	}
	var all []func()
	refused := 0
	for n := range 40 {
		end, err := hang(n)
		all = append(all, end)
		if connect.CodeOf(err) == connect.CodeResourceExhausted {
			refused++
		}
	}
	if refused != 8 {
		t.Errorf("%d of 40 are refused", refused)
	}
	_, err := good.login("alice", "phone", password, whole)
	r.Must(nil, err)
	for _, end := range all {
		end()
	}
	// The server hears of it in its own time.
	for end := time.Now().Add(30 * time.Second); ; {
		_, err = bad.login("alice", "phone", password, whole)
		if connect.CodeOf(err) != connect.CodeResourceExhausted || time.Now().After(end) {
			break
		}
	}
	r.Must(nil, err)
}

// Promise identity-service-input.
func TestWhatIsNoMessageIsRefused(t *testing.T) {
	r := newRig(t)
	d := r.device("laptop")
	token := d.registered()
	ask := func(m *pb.LoginRequest) error {
		s, err := d.LoginUser(t.Context())
		r.Must(nil, err)
		defer hangUp(s)
		_, err = exchange(s, m)
		return err
	}
	first := func(user, dev string, ke1 []byte) *pb.LoginRequest {
		return pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialRequestAndUserID{
			PakeCredentialRequestAndUserID: &pb.PakeCredentialRequestAndUserID{UserID: user, DeviceID: dev, PakeCredentialRequest: ke1},
		}})
	}
	ke1, err := d.pake().Login(identity.NewSecret([]byte("x")))
	r.Must(nil, err)
	for what, m := range map[string]*pb.LoginRequest{
		"empty": {}, "no user": first("", "phone", ke1), "no KE1": first("alice", "phone", nil), "no device": first("alice", "", ke1),
		"a device of two lines": first("alice", "a\nb", ke1), "a long device": first("alice", strings.Repeat("d", 129), ke1),
		"no name": first("Alice; --", "phone", ke1), "the last message first": pakeLogin(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialFinalization{PakeCredentialFinalization: make([]byte, 64)}}),
	} {
		r.wants(what, ask(m), connect.CodeInvalidArgument)
	}
	for what, w := range map[string]*pb.WalletLoginRequest{
		"an empty wallet": {}, "a wallet without a device": {UserID: "alice"}, "no address": {UserID: "alice", DeviceID: "phone", SignedMessage: make([]byte, 100)},
		"no signed message": {UserID: "alice", DeviceID: "phone", WalletAddress: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
		"zeros":             {UserID: "alice", DeviceID: "phone", WalletAddress: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", SignedMessage: make([]byte, 200)},
	} {
		r.wants(what, ask(&pb.LoginRequest{Data: &pb.LoginRequest_WalletLoginRequest{WalletLoginRequest: w}}), connect.CodeInvalidArgument)
	}
	if !d.verifies("alice", "phone", token) {
		t.Error("something was changed by it")
	}
}
