package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func identityRows() []command.Row {
	return []command.Row{
		admin("identity show", "", "show how the identity service is set", all(client.ShowIdentityService)),
		admin("identity set", "", "switch the identity service on or off, or say how long its tokens are good and which chain its wallets are of", identitySet),
		admin("identity invite", "NAME", "print a code with which somebody registers a password of the identity service", on(client.InviteIdentity)),
		admin("identity devices", "NAME", "list somebody's devices that have a token", on(client.ListIdentityDevices)),
		admin("identity revoke", "NAME", "end somebody's tokens, or that of one device", identityRevoke),
		admin("identity remove", "NAME", "remove what somebody has registered, with the wallets and tokens", on(client.RemoveIdentity)),
		admin("identity add-wallet", "NAME ADDRESS", "let somebody log in to the identity service with a wallet", onWallet(client.AddIdentityWallet)),
		admin("identity wallets", "NAME", "list somebody's wallets", on(client.ListIdentityWallets)),
		admin("identity remove-wallet", "NAME ADDRESS", "refuse a wallet, and end the tokens that it gave", onWallet(client.RemoveIdentityWallet)),
	}
}

func identitySet(f *command.Flags) request {
	req := &v1.SetIdentityServiceRequest{}
	enabled(f, &req.Enabled)
	number(f, "idle-days", "for how many `days` a token is good without being used: 1 to 365", &req.IdleDays)
	number(f, "most-days", "for how many `days` a token is good at most: 1 to 3650", &req.MostDays)
	f.Func("wallet-chain", "`id` of the chain that messages of wallets are for: 1 if nobody says otherwise", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return fmt.Errorf("%q is no id of a chain", s)
		}
		req.WalletChain = proto.Uint64(n)
		return nil
	})
	return func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
		if proto.Equal(req, &v1.SetIdentityServiceRequest{}) {
			return nil, command.Usage("nothing to set: --enabled, --idle-days, --most-days or --wallet-chain is missing")
		}
		return c.SetIdentityService(ctx, req)
	}
}

// onWallet is a command on one wallet of somebody's.
func onWallet(method func(client, context.Context, *v1.IdentityWalletRequest) (*v1.ListIdentityWalletsResponse, error)) prepare {
	return plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		return method(c, ctx, &v1.IdentityWalletRequest{Name: f.Name(0), Address: f.Name(1)})
	})
}

func identityRevoke(f *command.Flags) request {
	device := f.String("device", "", "the `device` whose token ends; left out: all")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		return c.EndIdentityTokens(ctx, &v1.EndIdentityTokensRequest{Name: f.Name(0), Device: *device})
	}
}

// identityService shows what it is about.
func identityService(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.IdentityServiceView:
		fmt.Fprintf(w, "enabled\t%s\na token is good\tfor %d days after its last use, and for %d at most\nchain of wallets\t%d\n", yesNo(m.GetEnabled()), m.GetIdleDays(), m.GetMostDays(), m.GetWalletChain())
	case *v1.InviteIdentityResponse:
		fmt.Fprintf(w, "code\t%s\nexpires\t%s\n\nAt a machine of the realm, %s runs: sallyport identity register --code %s\n", m.GetCode(), stamp(m.GetExpires()), m.GetName(), m.GetCode())
	case *v1.ListIdentityWalletsResponse:
		for _, one := range m.GetWallets() {
			fmt.Fprintf(w, "%s\tsince %s\n", one.GetAddress(), stamp(one.GetAdded()))
		}
	case *v1.ListIdentityDevicesResponse:
		registered := "never"
		if m.GetRegistered() != nil {
			registered = stamp(m.GetRegistered())
		}
		fmt.Fprintf(w, "registered\t%s\n", registered)
		for _, d := range m.GetDevices() {
			fmt.Fprintf(w, "%s\tby %s\tsince %s\tused %s\tuntil %s\n", strconv.Quote(d.GetDevice()), d.GetAuthType(), stamp(d.GetCreated()), stamp(d.GetUsed()), stamp(d.GetExpires()))
		}
	}
}
