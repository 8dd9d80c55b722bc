package nss

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// reply turns a directory's answer into packets. Each method passes on the error
// that came with the answer, and checks what is about to leave: a record that
// breaks a rule is an error of the directory's, and nobody's account.
type reply struct {
	s *Server
	c *wire.Conn
}

func (r *reply) account(ctx context.Context, a identity.Account, err error) error {
	if err != nil {
		return err
	}
	if err := a.CheckEntry(); err != nil {
		return fmt.Errorf("account %q: %w", a.Name, unfit(err))
	}
	return r.s.send(ctx, r.c, wire.New(wire.Account).
		AddString(wire.Name, string(a.Name)).
		AddNumbers(wire.UID, a.UID).
		AddNumbers(wire.GID, a.GID).
		AddString(wire.FullName, a.FullName).
		AddString(wire.Home, a.Home).
		AddString(wire.Shell, a.Shell))
}

// group sends as many packets as the members need.
func (r *reply) group(ctx context.Context, g identity.GroupEntry, err error) error {
	if err != nil {
		return err
	}
	if _, err := identity.ParseName(string(g.Name)); err != nil {
		return fmt.Errorf("group %q: %w", g.Name, unfit(err))
	}
	if err := identity.CheckID(g.GID); err != nil {
		return fmt.Errorf("group %q: %w", g.Name, err)
	}
	begin := func() *wire.Message {
		return wire.New(wire.Group).AddString(wire.Name, string(g.Name)).AddNumbers(wire.GID, g.GID)
	}
	const more = 8 // bytes of the field More, which must still fit
	m := begin()
	for _, member := range g.Members {
		if _, err := identity.ParseName(string(member)); err != nil {
			return fmt.Errorf("member of %q: %w", g.Name, unfit(err))
		}
		if !m.Fits(len(member) + more) {
			if err := r.s.send(ctx, r.c, m.AddNumbers(wire.More, 1)); err != nil {
				return err
			}
			m = begin()
		}
		m.AddString(wire.Member, string(member))
	}
	return r.s.send(ctx, r.c, m)
}

func (r *reply) groups(ctx context.Context, ids identity.GroupIDs, err error) error {
	if err != nil {
		return err
	}
	if err := ids.Validate(); err != nil {
		return fmt.Errorf("groups of an account: %w", err)
	}
	m := wire.New(wire.Groups).AddNumbers(wire.GIDs, ids.GIDs...)
	if len(ids.Local) > 0 {
		m.AddNumbers(wire.LocalGIDs, ids.Local...)
	}
	return r.s.send(ctx, r.c, m)
}

func (r *reply) subIDs(ctx context.Context, ids identity.IDRange, err error) error {
	if err != nil {
		return err
	}
	if err := identity.CheckSubIDs(ids); err != nil {
		return fmt.Errorf("subordinate ids: %w", err)
	}
	return r.s.send(ctx, r.c, wire.New(wire.SubIDs).AddNumbers(wire.Start, ids.Min).AddNumbers(wire.Count, ids.Max-ids.Min+1))
}

func (r *reply) keys(ctx context.Context, keys []identity.SSHKey, err error) error {
	for _, k := range keys {
		if err != nil {
			break
		}
		if err = k.Validate(); err != nil {
			return fmt.Errorf("ssh key %q: %w", k.Tag, err)
		}
		err = r.s.send(ctx, r.c, wire.New(wire.SSHKey).AddString(wire.KeyLine, k.Line))
	}
	return r.end(ctx, err)
}

// certificate is lines for sshd, or none.
func (r *reply) certificate(ctx context.Context, lines []string, err error) error {
	for _, line := range lines {
		if err == nil {
			err = r.s.send(ctx, r.c, wire.New(wire.SSHKey).AddString(wire.KeyLine, line))
		}
	}
	return r.end(ctx, err)
}

// end closes a list that went well.
func (r *reply) end(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return r.s.send(ctx, r.c, wire.New(wire.End))
}

// unfit keeps a bad name within a record from reading as "no such name".
func unfit(err error) error { return fmt.Errorf("unfit record: %v", err) } //nolint:errorlint // on purpose
