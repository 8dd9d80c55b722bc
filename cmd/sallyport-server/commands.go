package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// idFlag reads an id, and tells absent from zero.
func idFlag(into **uint32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not an id", s)
		}
		*into = proto.Uint32(uint32(n))
		return nil
	}
}

func accountAdd(f *flags) request {
	req := &v1.AddAccountRequest{}
	f.StringVar(&req.FullName, "full-name", "", "")
	f.StringVar(&req.Home, "home", "", "")
	f.StringVar(&req.Shell, "shell", "", "")
	f.Func("uid", "", idFlag(&req.Uid))
	f.Func("valid-from", "", timeFlag(&req.ValidFrom))
	f.Func("valid-until", "", timeFlag(&req.ValidUntil))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		return c.AddAccount(ctx, req)
	}
}

func setState(disabled bool) verb {
	return simple(1, func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		return c.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: f.name(0), Disabled: disabled})
	})
}

func setPassword(f *flags) request {
	must := f.Bool("must-change", false, "")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		password, err := readLine("New password", true)
		if err != nil {
			return nil, err
		}
		defer clear(password)
		return c.SetPassword(ctx, &v1.SetPasswordRequest{Name: f.name(0), Password: password, MustChange: *must})
	}
}

// given reads a text, and tells absent from empty.
func given(f *flags, name string, into **string) {
	f.Func(name, "", func(s string) error {
		*into = &s
		return nil
	})
}

func accountSet(f *flags) request {
	req := &v1.SetAccountRequest{}
	given(f, "name", &req.NewName)
	given(f, "full-name", &req.FullName)
	given(f, "home", &req.Home)
	given(f, "shell", &req.Shell)
	maybe(f, "must-change", &req.MustChange)
	f.Func("valid-from", "", timeOrNone(&req.ValidFrom))
	f.Func("valid-until", "", timeOrNone(&req.ValidUntil))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		a, err := c.SetAccount(ctx, req)
		if err == nil && req.NewName != nil {
			fmt.Fprintf(os.Stderr, renamedAccount, req.GetName(), a.GetName(), a.GetHome())
		}
		return a, err
	}
}

func addKey(f *flags) request {
	req := &v1.AddSSHKeyRequest{}
	f.StringVar(&req.Tag, "tag", "", "")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name, req.Line = f.name(0), f.name(1)
		if req.Line == "" {
			line, err := readLine("Public key", false)
			if err != nil {
				return nil, err
			}
			req.Line = string(line)
		}
		return c.AddSSHKey(ctx, req)
	}
}

func addTOTP(f *flags) request {
	req := &v1.AddTOTPRequest{}
	generate := f.Bool("generate", false, "")
	f.StringVar(&req.Label, "label", "", "")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		if !*generate {
			var err error
			if req.Secret, err = readLine("TOTP secret", true); err != nil {
				return nil, err
			}
			defer clear(req.Secret)
		}
		return c.AddTOTP(ctx, req)
	}
}

func groupAdd(f *flags) request {
	req := &v1.AddGroupRequest{}
	f.Func("gid", "", idFlag(&req.Gid))
	f.Func("demands", "", func(s string) error {
		req.Demands = words(s)
		return nil
	})
	var points *uint32
	number(f, "points", &points)
	f.BoolVar(&req.Earned, "earned", false, "")
	f.BoolVar(&req.OfflineCodes, "offline-codes", false, "")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		if points != nil {
			req.Points = *points
		}
		return c.AddGroup(ctx, req)
	}
}

// maybe reads yes or no, and tells absent from no.
func maybe(f *flags, name string, into **bool) {
	f.BoolFunc(name, "", func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*into = &b
		return nil
	})
}

func groupSet(f *flags) request {
	req := &v1.SetGroupRequest{}
	given(f, "name", &req.NewName)
	maybe(f, "offline-codes", &req.OfflineCodes)
	maybe(f, "earned", &req.Earned)
	number(f, "points", &req.Points)
	f.Func("demands", "", func(s string) error {
		req.Demands = &v1.Kinds{Kinds: words(s)}
		return nil
	})
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		g, err := c.SetGroup(ctx, req)
		if err == nil && req.NewName != nil {
			fmt.Fprintf(os.Stderr, renamedGroup, req.GetName(), g.GetName())
		}
		return g, err
	}
}

// machineAdd invites a machine, and marks it before its code is shown.
func machineAdd(f *flags) request {
	set := &v1.SetMachineRequest{}
	maybe(f, "offline-codes", &set.OfflineCodes)
	admits(f, set)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		added, err := c.AddMachine(ctx, &v1.NameRequest{Name: f.name(0)})
		if err != nil || set.OfflineCodes == nil && set.Scope == nil {
			return added, err
		}
		set.Name = f.name(0)
		added.Machine, err = c.SetMachine(ctx, set)
		return added, err
	}
}

// admits limits a machine to the members of groups: a list with commas, or "*" for
// everybody.
func admits(f *flags, req *v1.SetMachineRequest) {
	f.Func("admits", "", func(s string) error {
		if req.Scope == nil {
			req.Scope = &v1.Scope{}
		}
		if s == "*" {
			req.Scope.Everybody = true
			return nil
		}
		req.Scope.Groups = append(req.Scope.Groups, strings.Split(s, ",")...)
		return nil
	})
}

func machineSet(f *flags) request {
	req := &v1.SetMachineRequest{}
	maybe(f, "offline-codes", &req.OfflineCodes)
	admits(f, req)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *flags) (proto.Message, error) {
		req.Name = f.name(0)
		return c.SetMachine(ctx, req)
	}
}

// headBlock is how a signed head is kept in a file.
const headBlock = "SALLYPORT AUDIT HEAD"

func auditVerify(f *flags) request {
	req := &v1.VerifyAuditRequest{}
	f.Func("signed", "", func(file string) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read signed head: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != headBlock {
			return fmt.Errorf("%s is no signed head: \"audit sign\" prints one", file)
		}
		req.Signed = block.Bytes
		return nil
	})
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *flags) (proto.Message, error) {
		return c.VerifyAudit(ctx, req)
	}
}

func auditPrune(f *flags) request {
	req := &v1.PruneAuditRequest{}
	f.Func("before", "", timeFlag(&req.Before))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *flags) (proto.Message, error) {
		return c.PruneAudit(ctx, req)
	}
}

// audit fetches every page.
func audit(f *flags) request {
	req := &v1.ListAuditRequest{}
	f.Func("since", "", timeFlag(&req.Since))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *flags) (proto.Message, error) {
		log := &v1.ListAuditResponse{}
		for {
			page, err := c.ListAudit(ctx, req)
			if err != nil {
				return nil, err
			}
			log.Rows = append(log.Rows, page.GetRows()...)
			if !page.GetMore() || len(page.GetRows()) == 0 {
				return log, nil
			}
			req.After = page.GetRows()[len(page.GetRows())-1].GetId()
		}
	}
}
