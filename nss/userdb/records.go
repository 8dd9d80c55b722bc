package userdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// Errors of io.systemd.UserDatabase.
const (
	noRecordFound          = "io.systemd.UserDatabase.NoRecordFound"
	badService             = "io.systemd.UserDatabase.BadService"
	serviceNotAvailable    = "io.systemd.UserDatabase.ServiceNotAvailable"
	conflictingRecordFound = "io.systemd.UserDatabase.ConflictingRecordFound"
)

// userRecord is a JSON user record (https://systemd.io/USER_RECORD).
type userRecord struct {
	UserName      string   `json:"userName"`
	Aliases       []string `json:"aliases,omitempty"` // what it was asked by
	RealName      string   `json:"realName,omitempty"`
	Disposition   string   `json:"disposition"`
	Service       string   `json:"service"`
	UID           uint32   `json:"uid"`
	GID           uint32   `json:"gid"`
	HomeDirectory string   `json:"homeDirectory"`
	Shell         string   `json:"shell"`
	MemberOf      []string `json:"memberOf,omitempty"`
}

// groupRecord is a JSON group record (https://systemd.io/GROUP_RECORD).
type groupRecord struct {
	GroupName   string          `json:"groupName"`
	Disposition string          `json:"disposition"`
	Service     string          `json:"service"`
	GID         uint32          `json:"gid"`
	Members     []identity.Name `json:"members,omitempty"`
}

// found is the answer to Get…Record. Incomplete says that there may be a
// privileged part which the caller was not shown; see the package's promises.
type found struct {
	Record     any  `json:"record"`
	Incomplete bool `json:"incomplete"`
}

// membership is the answer to GetMemberships.
type membership struct {
	UserName  string `json:"userName"`
	GroupName string `json:"groupName"`
}

// answer finds the method.
func (s *Server) answer(ctx context.Context, a *answers) (err error) {
	defer func() {
		if p := recover(); p != nil { // one call's misfortune
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	switch a.c.Method {
	case "io.systemd.UserDatabase.GetUserRecord":
		return s.user(ctx, a)
	case "io.systemd.UserDatabase.GetGroupRecord":
		return s.group(ctx, a)
	case "io.systemd.UserDatabase.GetMemberships":
		return s.memberships(ctx, a)
	case "org.varlink.service.GetInfo":
		return a.add(map[string]any{
			"vendor": "Sallyport", "product": "sallyport-userdb", "version": "1", "url": "https://github.com/sallyport-auth/sallyport",
			"interfaces": []string{"io.systemd.UserDatabase", "org.varlink.service"},
		})
	case "org.varlink.service.GetInterfaceDescription":
		return describe(a)
	}
	at := strings.LastIndexByte(a.c.Method, '.')
	if at < 0 || descriptions(a.c.Method[:at]) == "" {
		return &fault{interfaceNotFound, map[string]string{"interface": a.c.Method[:max(at, 0)]}}
	}
	return &fault{methodNotFound, map[string]string{"method": a.c.Method}}
}

func describe(a *answers) error {
	var p struct {
		Interface string `json:"interface"`
	}
	if err := parameters(a.c.Parameters, &p); err != nil {
		return err
	}
	text := descriptions(p.Interface)
	if text == "" {
		return &fault{interfaceNotFound, map[string]string{"interface": p.Interface}}
	}
	return a.add(map[string]string{"description": text})
}

// asked checks the parameters that all three methods share.
func asked(raw json.RawMessage, into any, service *string) error {
	if err := parameters(raw, into); err != nil {
		return err
	}
	if *service != Service {
		return &fault{badService, nil}
	}
	return nil
}

func (s *Server) user(ctx context.Context, a *answers) error {
	var p struct {
		UserName *string `json:"userName"`
		UID      *uint32 `json:"uid"`
		Service  string  `json:"service"`
	}
	if err := asked(a.c.Parameters, &p, &p.Service); err != nil {
		return err
	}
	var l identity.Listed
	var err error
	switch {
	case p.UserName != nil:
		l, err = s.Directory.AccountByName(ctx, *p.UserName)
		if err == nil && p.UID != nil && l.UID != *p.UID {
			return &fault{conflictingRecordFound, nil}
		}
	case p.UID != nil:
		l, err = s.Directory.AccountByUID(ctx, *p.UID)
	case !a.c.More:
		return &fault{expectedMore, nil}
	default:
		groups := map[uint32]string{}
		return s.Directory.Accounts(ctx, func(l identity.Listed) error { return a.add(s.userFound(ctx, l, nil, groups)) })
	}
	if err != nil {
		return known(err)
	}
	return a.add(s.userFound(ctx, l, p.UserName, map[uint32]string{}))
}

func (s *Server) userFound(ctx context.Context, l identity.Listed, typed *string, groups map[uint32]string) found {
	r := userRecord{
		UserName: string(l.Name), RealName: l.FullName, Disposition: "regular", Service: Service,
		UID: l.UID, GID: l.GID, HomeDirectory: l.Home, Shell: l.Shell, MemberOf: s.Directory.GroupNames(ctx, l.GroupIDs, groups),
	}
	if typed != nil && *typed != r.UserName {
		r.Aliases = []string{*typed}
	}
	return found{Record: r, Incomplete: true}
}

func (s *Server) group(ctx context.Context, a *answers) error {
	var p struct {
		GroupName *string `json:"groupName"`
		GID       *uint32 `json:"gid"`
		Service   string  `json:"service"`
	}
	if err := asked(a.c.Parameters, &p, &p.Service); err != nil {
		return err
	}
	var g identity.GroupEntry
	var err error
	switch {
	case p.GroupName != nil:
		g, err = s.Directory.GroupByName(ctx, *p.GroupName)
		if err == nil && p.GID != nil && g.GID != *p.GID {
			return &fault{conflictingRecordFound, nil}
		}
	case p.GID != nil:
		g, err = s.Directory.GroupByGID(ctx, *p.GID)
	case !a.c.More:
		return &fault{expectedMore, nil}
	default:
		return s.Directory.Groups(ctx, func(g identity.GroupEntry) error { return a.add(groupFound(g)) })
	}
	if err != nil {
		return known(err)
	}
	return a.add(groupFound(g))
}

func groupFound(g identity.GroupEntry) found {
	return found{Incomplete: true, Record: groupRecord{
		GroupName: string(g.Name), Disposition: "regular", Service: Service, GID: g.GID, Members: g.Members,
	}}
}

func (s *Server) memberships(ctx context.Context, a *answers) error {
	var p struct {
		UserName  *string `json:"userName"`
		GroupName *string `json:"groupName"`
		Service   string  `json:"service"`
	}
	if err := asked(a.c.Parameters, &p, &p.Service); err != nil {
		return err
	}
	switch {
	case p.UserName != nil:
		l, err := s.Directory.AccountByName(ctx, *p.UserName)
		if err != nil {
			return known(err)
		}
		return addGroups(a, string(l.Name), s.Directory.GroupNames(ctx, l.GroupIDs, map[uint32]string{}), p.GroupName)
	case p.GroupName != nil:
		g, err := s.Directory.GroupByName(ctx, *p.GroupName)
		if err != nil {
			return known(err)
		}
		return addMembers(a, g)
	case !a.c.More:
		return &fault{expectedMore, nil}
	default:
		return s.Directory.Groups(ctx, func(g identity.GroupEntry) error { return addMembers(a, g) })
	}
}

func addGroups(a *answers, user string, groups []string, only *string) error {
	if only != nil {
		if !slices.Contains(groups, *only) {
			return &fault{noRecordFound, nil}
		}
		groups = []string{*only}
	}
	for _, g := range groups {
		if err := a.add(membership{user, g}); err != nil {
			return err
		}
	}
	return nil
}

func addMembers(a *answers, g identity.GroupEntry) error {
	for _, m := range g.Members {
		if err := a.add(membership{string(m), string(g.Name)}); err != nil {
			return err
		}
	}
	return nil
}

// known makes "there is none" of those errors, and only of those, that say so
// with authority.
func known(err error) error {
	if errors.Is(err, identity.ErrNotFound) || errors.Is(err, identity.ErrName) {
		return &fault{noRecordFound, nil}
	}
	return err
}

// descriptions gives the interfaces in varlink's own language.
func descriptions(name string) string {
	switch name {
	case "io.systemd.UserDatabase":
		return `interface io.systemd.UserDatabase
method GetUserRecord(uid: ?int, userName: ?string, service: string) -> (record: object, incomplete: bool)
method GetGroupRecord(gid: ?int, groupName: ?string, service: string) -> (record: object, incomplete: bool)
method GetMemberships(userName: ?string, groupName: ?string, service: string) -> (userName: string, groupName: string)
error NoRecordFound()
error BadService()
error ServiceNotAvailable()
error ConflictingRecordFound()
error EnumerationNotSupported()
`
	case "org.varlink.service":
		return `interface org.varlink.service
method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)
method GetInterfaceDescription(interface: string) -> (description: string)
error InterfaceNotFound(interface: string)
error MethodNotFound(method: string)
error MethodNotImplemented(method: string)
error InvalidParameter(parameter: string)
error PermissionDenied()
error ExpectedMore()
`
	default:
		return ""
	}
}
