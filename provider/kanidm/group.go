package kanidm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// unixGroup is what the server tells of a group, and of an account as the group of
// its own, by whatever way it is asked.
type unixGroup struct {
	Name      string    `json:"name"`
	SPN       string    `json:"spn"`
	UUID      uuid.UUID `json:"uuid"`
	GIDNumber uint32    `json:"gidnumber"`
}

// group is the group as this machine sees it.
func (u unixGroup) group(qualified bool) identity.Group {
	return identity.Group{UUID: u.UUID, Name: called(qualified, u.Name, u.SPN), GID: u.GIDNumber}
}

// FetchGroup implements provider.GroupFinder.
func (p *Provider) FetchGroup(ctx context.Context, name identity.Name) (provider.GroupRecord, error) {
	return p.fetchGroup(ctx, string(name), func(g identity.Group) bool { return g.Name == name })
}

// FetchGID implements provider.GroupFinder.
func (p *Provider) FetchGID(ctx context.Context, gid uint32) (provider.GroupRecord, error) {
	return p.fetchGroup(ctx, strconv.FormatUint(uint64(gid), 10), func(g identity.Group) bool { return g.GID == gid })
}

func (p *Provider) fetchGroup(ctx context.Context, id string, asked func(identity.Group) bool) (provider.GroupRecord, error) {
	u, err := p.lookupGroup(ctx, id)
	if err != nil {
		return provider.GroupRecord{}, fmt.Errorf("fetch group: %w", err)
	}
	g := u.group(p.o.Mapping.QualifiedGroups)
	if !asked(g) { // the server finds a group by any of its names; here it has one
		return provider.GroupRecord{}, fmt.Errorf("fetch group: %w: the group is %s here", provider.ErrNotFound, g.Name)
	}
	now := p.o.Now().Unix()
	// As recent as any token's: those are numbered by the second in which they first were so.
	t := &identity.GroupToken{Realm: p.o.Realm, Group: g, IssuedAt: now, Revision: uint64(max(now, 0))}
	// One that breaks a rule is not signed: the resolver refuses it by name.
	signed, err := p.signer.SignGroupToken(t)
	if err != nil && !errors.Is(err, identity.ErrToken) {
		return provider.GroupRecord{}, fmt.Errorf("fetch group: %w: %w", provider.ErrOffline, err)
	}
	return provider.GroupRecord{Signed: signed, Token: t}, nil
}

// Group finds a group by its name, spn or uuid, and tells which domain it is of.
func (p *Provider) Group(ctx context.Context, id string) (g identity.Group, domain string, err error) {
	u, err := p.lookupGroup(ctx, id)
	if err != nil {
		return identity.Group{}, "", fmt.Errorf("look up group %s: %w", id, err)
	}
	_, domain, _ = strings.Cut(u.SPN, "@")
	return u.group(p.o.Mapping.QualifiedGroups), domain, nil
}

// lookupGroup asks for one group by name, spn, uuid or number.
func (p *Provider) lookupGroup(ctx context.Context, id string) (u unixGroup, err error) {
	if !namable(id) {
		return u, fmt.Errorf("%w: %q can be no group's name", provider.ErrNotFound, id)
	}
	a, err := p.own(ctx, call{method: http.MethodGet, path: "/v1/group/" + url.PathEscape(id) + "/_unix/_token"})
	if err != nil {
		return u, err
	}
	if err := parse(a, &u); err != nil {
		return u, err
	}
	if u.UUID == uuid.Nil || u.Name == "" {
		return u, errShape
	}
	return u, nil
}
