package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	appclient "github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func applicationRows() []command.Row {
	return []command.Row{
		admin("application show", "", "show how applications are set, and the realm's OpenPGP key", all(client.ShowApplications)),
		admin("application set", "", "switch applications on or off, or say how long things are good", applicationSet),
		admin("application rotate-key", "", "make a new OpenPGP key of the realm, with which applications have to be shipped anew", applicationRotate),
		admin("application add", "NAME", "register an application, and write what is shipped with it", applicationAdd),
		admin("application list", "", "list applications", all(client.ListApplications)),
		admin("application disable", "NAME", "refuse an application and its instances until it is enabled", applicationState(true)),
		admin("application enable", "NAME", "let it in again", applicationState(false)),
		admin("application remove", "NAME", "remove an application for good, with its instances", on(client.RemoveApplication)),
		admin("application instances", "[NAME]", "list instances, of one application or all", on(client.ListInstances)),
		admin("application revoke", "INSTANCE", "refuse an instance for good, by the fingerprint of its key", onKey(client.RevokeInstance)),
		admin("application invite", "ACCOUNT", "print a code with which somebody binds a key at an instance", on(client.InvitePerson)),
		admin("application keys", "[ACCOUNT]", "list the keys of people, of one account or all", on(client.ListPersonKeys)),
		admin("application revoke-key", "KEY", "refuse a person's key for good, by its fingerprint", onKey(client.RevokePersonKey)),
		admin("application jobs", "", "list jobs, the newest first", all(client.ListJobs)),
		admin("resource grant", "SPACE GROUP", "let the members of a group do something with the resources of a space", resourceGrant),
		admin("resource revoke", "SPACE GROUP", "take that back", plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
			return c.RevokeResource(ctx, &v1.GrantResourceRequest{Space: f.Name(0), Group: f.Name(1)})
		})),
		admin("resource list", "", "list who may do what with which space", all(client.ListResourceGrants)),
	}
}

// onKey is a command on one key.
func onKey(method func(client, context.Context, *v1.FingerprintRequest) (*v1.Done, error)) prepare {
	return plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		return method(c, ctx, &v1.FingerprintRequest{Fingerprint: f.Name(0)})
	})
}

func applicationState(disabled bool) prepare {
	return plain(func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		return c.SetApplicationState(ctx, &v1.SetApplicationStateRequest{Name: f.Name(0), Disabled: disabled})
	})
}

func applicationSet(f *command.Flags) request {
	req := &v1.SetApplicationsRequest{}
	enabled(f, &req.Enabled)
	number(f, "skew-seconds", "by how many `seconds` clocks may be apart: 10 to 600", &req.SkewSeconds)
	number(f, "result-seconds", "for how many `seconds` a result waits: 30 to 86400", &req.ResultSeconds)
	given(f, "self-registration", "`group` of who registers by themselves; '' for nobody", &req.SelfRegistration)
	return func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
		if proto.Equal(req, &v1.SetApplicationsRequest{}) {
			return nil, command.Usage("nothing to set: --enabled, --skew-seconds, --result-seconds or --self-registration is missing")
		}
		return c.SetApplications(ctx, req)
	}
}

func applicationRotate(f *command.Flags) request {
	days := f.Uint("keep-days", 30, "for how many `days` the key before is good: 0 to 365; 0 when it was stolen")
	return func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
		return c.RotateApplicationKey(ctx, &v1.RotateApplicationKeyRequest{KeepDays: uint32(min(*days, 1<<20))})
	}
}

// enabled declares the option that switches a service on.
func enabled(f *command.Flags, into **bool) {
	f.Func("enabled", "`yes|no`: whether the service answers", func(s string) error {
		if s != "yes" && s != "no" {
			return fmt.Errorf("%q is neither yes nor no", s)
		}
		*into = proto.Bool(s == "yes")
		return nil
	})
}

// applicationAdd registers one, and writes its files before it says so: the server keeps no
// copy of the private key.
func applicationAdd(f *command.Flags) request {
	to := f.String("to", "", "`folder`, which is made: for the files that are shipped with the application")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if *to == "" {
			return nil, command.Usage("--to FOLDER is missing: where the application's private key goes")
		}
		if err := os.Mkdir(*to, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of what is shipped: %w", err)
		}
		a, err := c.AddApplication(ctx, &v1.NameRequest{Name: f.Name(0)})
		if err != nil {
			return nil, errors.Join(err, os.Remove(*to))
		}
		err = errors.Join(writeShipped(*to, appclient.ApplicationKey, a.GetPrivateKey(), 0o600), writeShipped(*to, appclient.RealmKey, a.GetRealmPublicKey(), 0o644))
		if err != nil {
			return nil, fmt.Errorf("%w; the application is registered, and its key is lost: \"application remove %s\", and add it again", err, f.Name(0))
		}
		return a.GetApplication(), nil
	}
}

func writeShipped(folder, name, text string, mode os.FileMode) error {
	w, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = io.WriteString(w, text)
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func resourceGrant(f *command.Flags) request {
	req := &v1.GrantResourceRequest{}
	f.Func("may", "`operations` with commas between: create, read, update, delete", func(s string) error {
		req.Operations = strings.Split(s, ",")
		return nil
	})
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if len(req.GetOperations()) == 0 {
			return nil, command.Usage("--may OPERATIONS is missing: create, read, update, delete")
		}
		req.Space, req.Group = f.Name(0), f.Name(1)
		return c.GrantResource(ctx, req)
	}
}

// applications shows what it is about.
func applications(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.ApplicationsView:
		fmt.Fprintf(w, "enabled\t%s\nclocks may be apart\t%d s\na result waits\t%d s\n", yesNo(m.GetEnabled()), m.GetSkewSeconds(), m.GetResultSeconds())
		if m.GetSelfRegistration() != "" {
			fmt.Fprintf(w, "people may register\tby themselves, into the group %s\n", m.GetSelfRegistration())
		}
		if m.GetPreviousUntil() != nil {
			fmt.Fprintf(w, "the key before is good\tuntil %s\n", stamp(m.GetPreviousUntil()))
		}
		if m.GetFingerprint() != "" {
			fmt.Fprintf(w, "the realm's key\t%s\n\n%s\n", m.GetFingerprint(), m.GetPublicKey())
		}
	case *v1.ApplicationView:
		applicationLine(w, m)
	case *v1.ListApplicationsResponse:
		for _, a := range m.GetApplications() {
			applicationLine(w, a)
		}
	case *v1.ListInstancesResponse:
		for _, i := range m.GetInstances() {
			state := "bound"
			if i.GetRevoked() != nil {
				state = "revoked " + stamp(i.GetRevoked())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d people\t%s\n", i.GetFingerprint(), i.GetApplication(), stamp(i.GetCreated()), i.GetPeople(), state)
		}
	case *v1.InvitePersonResponse:
		fmt.Fprintf(w, "code\t%s\nexpires\t%s\n\nAt an instance of an application, %s types the code, or runs: sallyport app register --code %s\n", m.GetCode(), stamp(m.GetExpires()), m.GetName(), m.GetCode())
	case *v1.ListPersonKeysResponse:
		for _, k := range m.GetKeys() {
			state := "bound"
			if k.GetRevoked() != nil {
				state = "revoked " + stamp(k.GetRevoked())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.GetFingerprint(), k.GetAccount(), k.GetApplication(), k.GetInstance(), stamp(k.GetCreated()), state)
		}
	case *v1.ListJobsResponse:
		for _, j := range m.GetJobs() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.GetId(), stamp(j.GetTime()), j.GetAccount(), j.GetApplication(), j.GetOperation(), j.GetResource(), j.GetState())
		}
	case *v1.ResourceGrant:
		grantLine(w, m)
	case *v1.ListResourceGrantsResponse:
		for _, g := range m.GetGrants() {
			grantLine(w, g)
		}
	}
}

func applicationLine(w io.Writer, a *v1.ApplicationView) {
	state := "enabled"
	if a.GetDisabled() {
		state = "disabled"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%d instances\t%s\n", a.GetName(), a.GetFingerprint(), stamp(a.GetCreated()), a.GetInstances(), state)
}

func grantLine(w io.Writer, g *v1.ResourceGrant) {
	fmt.Fprintf(w, "%s\t%s\t%s\n", g.GetSpace(), g.GetGroup(), strings.Join(g.GetOperations(), " "))
}
