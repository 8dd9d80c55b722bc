package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// fleet shows what is about many machines, or many servers.
func (s shower) fleet(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.AddTokenResponse:
		fmt.Fprintf(w, "code\t%s\nfingerprint\t%s\nmachines\t%d\nexpires\t%s\n\nOn each machine: sudo sallyport join --server %s --code %s --fingerprint %s\n",
			m.GetCode(), m.GetFingerprint(), m.GetToken().GetRemaining(), stamp(m.GetToken().GetExpires()), cmp.Or(s.url, "URL"), m.GetCode(), m.GetFingerprint())
	case *v1.ListTokensResponse:
		for _, o := range m.GetTokens() {
			admits := "everybody"
			if o.GetScoped() {
				admits = strings.Join(o.GetAdmits(), ",")
			}
			fmt.Fprintf(w, "%s\t%d left\t%s\t%s\t%s\n", o.GetName(), o.GetRemaining(), stamp(o.GetExpires()), admits, strings.Join(o.GetTags(), ","))
		}
	case *v1.ListServersResponse:
		for _, o := range m.GetServers() {
			showServer(w, o)
		}
	case *v1.ServerView:
		showServer(w, m)
	default:
		s.partners(w, m)
	}
}

// showServer shows one. Of one that only reads it is known when it was admitted, and when it
// reported last.
func showServer(w io.Writer, o *v1.ServerView) {
	var notes []string
	if o.GetReadOnly() {
		notes = append(notes, map[bool]string{false: "read-only, without codes", true: "read-only, with codes"}[o.GetCodes()])
	}
	if o.GetHere() {
		notes = append(notes, "this one")
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.GetId(), cmp.Or(o.GetUrl(), "no URL"), stamp(o.GetBegan()), stamp(o.GetLastSeen()), o.GetVersion(), strings.Join(notes, ", "))
}
