package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func partnerRows() []command.Row {
	return []command.Row{
		admin("partner add", "REALM", "trust another realm, so that people of both can verify each other", partnerAdd),
		admin("partner list", "", "list the realms that this one trusts", all(client.ListPartners)),
		admin("partner show", "REALM", "show one of them, and what is wrong with it", on(client.ShowPartner)),
		admin("partner confirm", "REALM", "trust it as it is now, and end the alarms about it", partnerConfirm),
		admin("partner remove", "REALM", "trust it no more, and forget all that it told", on(client.RemovePartner)),
	}
}

const fingerprintUsage = "`hex` that \"sallyport-server keys show\" prints at the other realm"

func partnerAdd(f *command.Flags) request {
	req := &v1.AddPartnerRequest{}
	f.Func("server", "`URL` of a server of it, https://HOST:PORT; may be given more than once", func(s string) error {
		req.Urls = append(req.Urls, s)
		return nil
	})
	f.StringVar(&req.Fingerprint, "fingerprint", "", fingerprintUsage)
	f.BoolVar(&req.LooksAlike, "looks-alike", false, "also where its name looks like another one that is known here")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if len(req.GetUrls()) == 0 || req.GetFingerprint() == "" {
			return nil, command.Usage("--server URL and --fingerprint HEX are both needed")
		}
		req.Realm = f.Name(0)
		return c.AddPartner(ctx, req)
	}
}

func partnerConfirm(f *command.Flags) request {
	req := &v1.ConfirmPartnerRequest{}
	f.StringVar(&req.Fingerprint, "fingerprint", "", fingerprintUsage)
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if req.GetFingerprint() == "" {
			return nil, command.Usage("--fingerprint HEX is missing: have it told by the administrators of the other realm")
		}
		req.Realm = f.Name(0)
		return c.ConfirmPartner(ctx, req)
	}
}

// partners shows what it is about.
func (s shower) partners(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.AddPartnerResponse:
		partner(w, m.GetPartner())
		fmt.Fprintf(w, "\nThe other realm has to trust this one too. There: sallyport-server partner add %s --server %s --fingerprint %s\n",
			quoted(m.GetOwnRealm()), cmp.Or(m.GetOwnUrl(), s.url, "URL"), m.GetOwnFingerprint())
	case *v1.PartnerView:
		partner(w, m)
	case *v1.ListPartnersResponse:
		for _, p := range m.GetPartners() {
			var alarms []string
			for _, a := range p.GetAlarms() {
				alarms = append(alarms, "ALARM "+a.GetKind())
			}
			if len(p.GetLooksLike()) > 0 {
				alarms = append(alarms, "LOOKS ALIKE")
			}
			fmt.Fprintf(w, "%s\t%s\t%d people\treached %s\t%s\t%s\n", p.GetRealm(), p.GetOrganisation(), p.GetPeople(), stamp(p.GetReached()), p.GetState(), strings.Join(alarms, ", "))
		}
	}
}

func partner(w io.Writer, p *v1.PartnerView) {
	fmt.Fprintf(w, "realm\t%s\norganisation\t%s\nservers\t%s\nrealm key\t%s\n", p.GetRealm(), p.GetOrganisation(), strings.Join(p.GetUrls(), " "), p.GetRealmKey())
	fmt.Fprintf(w, "state\t%s\npeople\t%d\nadded\t%s\ntried\t%s\nreached\t%s\n", p.GetState(), p.GetPeople(), stamp(p.GetAdded()), stamp(p.GetTried()), stamp(p.GetReached()))
	if p.GetFault() != "" {
		fmt.Fprintf(w, "problem\t%s\n", p.GetFault())
	}
	for _, text := range p.GetLooksLike() {
		fmt.Fprintf(w, "LOOKS ALIKE\t%s\n", text)
	}
	for _, a := range p.GetAlarms() {
		ends := "it ends by itself"
		if a.GetConfirm() {
			ends = fmt.Sprintf("it stays until: sallyport-server partner confirm %s --fingerprint HEX", quoted(p.GetRealm()))
		}
		fmt.Fprintf(w, "ALARM\t%s, since %s: %s\n\t%s\n", a.GetKind(), stamp(a.GetSince()), a.GetText(), ends)
	}
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
