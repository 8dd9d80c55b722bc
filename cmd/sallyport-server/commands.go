package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
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

func accountAdd(f *command.Flags) request {
	req := &v1.AddAccountRequest{}
	f.StringVar(&req.FullName, "full-name", "", "`text`: the full name")
	f.StringVar(&req.Home, "home", "", "`path` of the home directory")
	f.StringVar(&req.Shell, "shell", "", "`path` of the login shell")
	f.Func("uid", "`number`: the user id; left out: the next of the realm", idFlag(&req.Uid))
	f.Func("valid-from", "no login before this `time`", timeFlag(&req.ValidFrom))
	f.Func("valid-until", "no login from this `time` on", timeFlag(&req.ValidUntil))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
		return c.AddAccount(ctx, req)
	}
}

func setState(disabled bool) prepare {
	return plain(func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		return c.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: f.Name(0), Disabled: disabled})
	})
}

func setPassword(f *command.Flags) request {
	must := f.Bool("must-change", false, "the person has to change it at the next login")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		password, err := readLine("New password", true)
		if err != nil {
			return nil, err
		}
		defer clear(password)
		return c.SetPassword(ctx, &v1.SetPasswordRequest{Name: f.Name(0), Password: password, MustChange: *must})
	}
}

// given reads a text, and tells absent from empty.
func given(f *command.Flags, name, usage string, into **string) {
	f.Func(name, usage, func(s string) error {
		*into = &s
		return nil
	})
}

func accountSet(f *command.Flags) request {
	req := &v1.SetAccountRequest{}
	given(f, "name", "the `new` name", &req.NewName)
	given(f, "full-name", "`text`: the full name", &req.FullName)
	given(f, "home", "`path` of the home directory", &req.Home)
	given(f, "shell", "`path` of the login shell", &req.Shell)
	maybe(f, "must-change", "`true|false`: the password has to be changed at the next login", &req.MustChange)
	f.Func("valid-from", "no login before this `time`, or none", timeOrNone(&req.ValidFrom))
	f.Func("valid-until", "no login from this `time` on, or none", timeOrNone(&req.ValidUntil))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
		a, err := c.SetAccount(ctx, req)
		if err == nil && req.NewName != nil {
			fmt.Fprintf(os.Stderr, renamedAccount, req.GetName(), a.GetName(), a.GetHome())
		}
		return a, err
	}
}

func addKey(f *command.Flags) request {
	req := &v1.AddSSHKeyRequest{}
	f.StringVar(&req.Tag, "tag", "", "`tag` that the key is called by; left out: its comment")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name, req.Line = f.Name(0), f.Name(1)
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

func addTOTP(f *command.Flags) request {
	req := &v1.AddTOTPRequest{}
	generate := f.Bool("generate", false, "make a new secret and print it")
	f.StringVar(&req.Label, "label", "", "`text`: what prompts and lists call it")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
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

func groupAdd(f *command.Flags) request {
	req := &v1.AddGroupRequest{}
	f.Func("gid", "`number`: the group id; left out: the next of the realm", idFlag(&req.Gid))
	f.Func("demands", "`factors` with commas between: what a login by this group takes", func(s string) error {
		req.Demands = words(s)
		return nil
	})
	var points *uint32
	number(f, "points", "`number` of points that a login by this group takes", &points)
	f.BoolVar(&req.Earned, "earned", false, "only a login that proves its demands has the group")
	f.BoolVar(&req.OfflineCodes, "offline-codes", false, "its members may use one-time codes offline")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
		if points != nil {
			req.Points = *points
		}
		return c.AddGroup(ctx, req)
	}
}

// maybe reads yes or no, and tells absent from no.
func maybe(f *command.Flags, name, usage string, into **bool) {
	f.BoolFunc(name, usage, func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*into = &b
		return nil
	})
}

func groupSet(f *command.Flags) request {
	req := &v1.SetGroupRequest{}
	given(f, "name", "the `new` name", &req.NewName)
	maybe(f, "offline-codes", "`true|false`: its members may use one-time codes offline", &req.OfflineCodes)
	maybe(f, "earned", "`true|false`: only a login that proves its demands has the group", &req.Earned)
	number(f, "points", "`number` of points that a login by this group takes", &req.Points)
	f.Func("demands", "`factors` with commas between: what a login by this group takes", func(s string) error {
		req.Demands = &v1.Kinds{Kinds: words(s)}
		return nil
	})
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
		g, err := c.SetGroup(ctx, req)
		if err == nil && req.NewName != nil {
			fmt.Fprintf(os.Stderr, renamedGroup, req.GetName(), g.GetName())
		}
		return g, err
	}
}

// machineAdd invites a machine, and marks it before its code is shown.
func machineAdd(f *command.Flags) request {
	set := &v1.SetMachineRequest{}
	maybe(f, "offline-codes", "`true|false`: one-time codes may be checked there offline", &set.OfflineCodes)
	admits(f, &set.Scope)
	tagged(f, &set.Tags)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		added, err := c.AddMachine(ctx, &v1.NameRequest{Name: f.Name(0)})
		if err != nil || set.OfflineCodes == nil && set.Scope == nil && set.Tags == nil {
			return added, err
		}
		set.Name = f.Name(0)
		added.Machine, err = c.SetMachine(ctx, set)
		return added, err
	}
}

// admits limits a machine to the members of groups: a list with commas, or "*" for
// everybody.
func admits(f *command.Flags, scope **v1.Scope) {
	f.Func("admits", "`groups` whose members this machine may know, with commas between, or '*'", func(s string) error {
		if *scope == nil {
			*scope = &v1.Scope{}
		}
		if s == "*" {
			(*scope).Everybody = true
			return nil
		}
		(*scope).Groups = append((*scope).Groups, strings.Split(s, ",")...)
		return nil
	})
}

// tagged gives machines tags: a list with commas, or "" for none.
func tagged(f *command.Flags, tags **v1.Tags) {
	f.Func("tags", "`words` to tell machines apart by, with commas between; '' for none", func(s string) error {
		if *tags == nil {
			*tags = &v1.Tags{}
		}
		if s != "" {
			(*tags).Words = append((*tags).Words, strings.Split(s, ",")...)
		}
		return nil
	})
}

// machineList lists machines, or those that have a tag.
func machineList(f *command.Flags) request {
	tag := f.String("tag", "", "only machines with this `word` among their tags")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		list, err := c.ListMachines(ctx, &v1.ListRequest{})
		if err == nil && *tag != "" {
			list.Machines = slices.DeleteFunc(list.GetMachines(), func(m *v1.MachineView) bool { return !slices.Contains(m.GetTags(), *tag) })
		}
		return list, err
	}
}

func machineSet(f *command.Flags) request {
	req := &v1.SetMachineRequest{}
	maybe(f, "offline-codes", "`true|false`: one-time codes may be checked there offline", &req.OfflineCodes)
	admits(f, &req.Scope)
	tagged(f, &req.Tags)
	hosts(f, "host-names", "`names` by which people reach it by ssh, with commas between; '' for none", &req.HostNames)
	storedKeys(f, "`accept|refuse|realm`: the ssh keys that the realm has stored; realm: as the realm says", &req.StoredKeys)
	hosts(f, "addresses", "`addresses` by which people reach it by ssh, with commas between; '' for none", &req.Addresses)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		req.Name = f.Name(0)
		return c.SetMachine(ctx, req)
	}
}

func tokenAdd(f *command.Flags) request {
	req := &v1.AddTokenRequest{}
	count := f.Uint("count", 0, "how many machines may join with it: `number`")
	life := f.Duration("expires", 24*time.Hour, "for how long: `time`, such as 8h, at most 744h")
	admits(f, &req.Scope)
	tagged(f, &req.Tags)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		if *count == 0 {
			return nil, command.Usage("--count NUMBER is missing")
		}
		req.Name, req.Count, req.Seconds = f.Name(0), uint32(min(*count, 1<<30)), uint32(min(max(*life, 0), 1<<30*time.Second)/time.Second)
		return c.AddToken(ctx, req)
	}
}

// headBlock is how a signed head is kept in a file.
const headBlock = "SALLYPORT AUDIT HEAD"

func auditVerify(f *command.Flags) request {
	req := &v1.VerifyAuditRequest{}
	f.Func("signed", "compare with the `file` that \"audit sign\" made", func(file string) error {
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
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		return c.VerifyAudit(ctx, req)
	}
}

func auditPrune(f *command.Flags) request {
	req := &v1.PruneAuditRequest{}
	f.Func("before", "remove what is older than this `time`", timeFlag(&req.Before))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		return c.PruneAudit(ctx, req)
	}
}

// audit fetches every page.
func audit(f *command.Flags) request {
	req := &v1.ListAuditRequest{}
	f.Func("since", "only what came after this `time`", timeFlag(&req.Since))
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
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
