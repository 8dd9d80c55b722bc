package partner_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// raises tells that each of the next questions leaves exactly these alarms, and that there is one
// more row of the audit log, and one more line of the log, for all of them.
func (s *side) raises(what string, of *side, kinds string, rows int) {
	s.T.Helper()
	before, lines := s.rows("partner.alarm"), s.log.count("level=WARN")
	for range 2 {
		s.asks()
		if got := s.alarms(of.Name); got != kinds {
			s.T.Errorf("%s: alarms %q, want %q", what, got, kinds)
		}
	}
	if got, said := s.rows("partner.alarm")-before, s.log.count("level=WARN")-lines; got != rows || said != rows {
		s.T.Errorf("%s: %d rows and %d lines, want %d", what, got, said, rows)
	}
}

func (s *side) confirms(o *side, fingerprint string) error {
	_, err := s.Admin.ConfirmPartner(s.T.Context(), &v1.ConfirmPartnerRequest{Realm: o.Name, Fingerprint: fingerprint})
	return err
}

// Promise partner-alarms.
func TestWhatChangesAboutAPartnerIsAnAlarmUntilItIsConfirmed(t *testing.T) {
	a, b := asking(t)
	a.raises("nothing", b, "", 0)
	was := b.Keys().GetFingerprint()
	b.Must(b.Admin.RotateRealmKey(t.Context(), &v1.RotateRealmKeyRequest{}))
	a.raises("a new realm key", b, "realm-key", 1)
	b.opts("bob", true)
	b.Must(b.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{Organisation: new("Mallory Inc.")}))
	a.raises("another organisation", b, "organisation realm-key", 1)
	a.Must(nil, a.Store.Write(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Partner("b.example")
		to := p
		to.History = uuid.New()
		if err == nil {
			err = tx.MovePartner(p, to)
		}
		return err
	}))
	a.raises("a copy that was put back", b, "history organisation realm-key", 1)
	p, err := a.finds("alice", "bob", "b.example")
	a.Must(nil, err)
	if p.GetOrganisation() != "Mallory Inc." {
		t.Errorf("%v", p)
	}
	if err := a.confirms(b, was); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("confirmed by the fingerprint of before: %v", err)
	}
	a.Must(nil, a.confirms(b, b.Keys().GetFingerprint()))
	a.raises("confirmed", b, "", 0)
}

// Promise partner-alarms.
func TestNothingIsTakenWhileAPartnerIsNotItself(t *testing.T) {
	a, b := asking(t)
	a.raises("nothing", b, "", 0)
	reached := a.shows("b.example").GetReached().AsTime()
	still := func(what string) {
		t.Helper()
		if v := a.shows("b.example"); !v.GetReached().AsTime().Equal(reached) || v.GetFault() == "" || v.GetPeople() != 1 {
			t.Errorf("%s: %v", what, v)
		}
	}
	b.says(a, func(q *identity.PartnerQuestion) (*v1.PullResponse, error) {
		resp, err := b.signed(b.reply(q))
		resp.KeyBundle = b.list(func(l *identity.KeyList) { l.Realm = "z.example" })
		return resp, err
	})
	a.raises("renamed", b, "realm-name", 1)
	still("renamed")
	b.Must(nil, b.end())
	b.serve(t, strings.TrimPrefix(b.url, "https://"))
	a.raises("itself again", b, "", 1)
	reached = a.shows("b.example").GetReached().AsTime()

	b.others = nil
	a.others = nil
	b.Unix.Add(int64(time.Hour / time.Second))
	a.raises("a wrong clock", b, "clock", 1)
	still("a wrong clock")
	a.others = []*side{b}
	a.raises("the right time", b, "", 1)
	reached = a.shows("b.example").GetReached().AsTime()

	b.Must(nil, os.Remove(filepath.Join(string(b.Dir), "realm.key")))
	b.Must(b.Admin.RotateRealmKey(t.Context(), &v1.RotateRealmKeyRequest{Lost: true}))
	b.opts("carol", true)
	a.raises("a realm key that was lost", b, "key-list", 1)
	still("a realm key that was lost")
	a.Must(nil, a.confirms(b, b.Keys().GetFingerprint()))
	a.raises("confirmed", b, "", 0)
	if v := a.shows("b.example"); v.GetPeople() != 2 || v.GetFault() != "" {
		t.Errorf("%v", v)
	}
}

// Promise partner-tls.
func TestAServerProvesInTLSToBeThePartners(t *testing.T) {
	a, b := asking(t)
	a.raises("nothing", b, "", 0)
	b.Must(b.Admin.RenewCA(t.Context(), &v1.RenewCARequest{}))
	b.opts("carol", true)
	a.raises("a new certificate authority", b, "", 0)
	if v := a.shows("b.example"); v.GetPeople() != 2 || v.GetFault() != "" {
		t.Errorf("after a new certificate authority: %v", v)
	}
	// Somebody else at the address, who would say that there is no trust.
	c := inFile(t, "c.example")
	b.Must(nil, b.end())
	c.serve(t, strings.TrimPrefix(b.url, "https://"))
	a.others = append(a.others, c)
	a.raises("somebody else", b, "key-list", 1)
	if v := a.shows("b.example"); v.GetPeople() != 2 || v.GetState() != "trusts this realm" {
		t.Errorf("somebody else: %v", v)
	}
}

// Promise partner-added.
func TestAPartnerIsAddedByItsNameAndFingerprint(t *testing.T) {
	a, b := newSide(t, "a.example"), inFile(t, "b.example")
	between, _ := b.listens(t, "127.0.0.1:0", a)
	for what, spoil := range map[string]func(*v1.AddPartnerRequest){
		"this realm itself": func(r *v1.AddPartnerRequest) {
			r.Realm, r.Urls[0], r.Fingerprint = a.Name, a.url, a.Keys().GetFingerprint()
		},
		"somebody between":     func(r *v1.AddPartnerRequest) { r.Urls[0] = between },
		"another name":         func(r *v1.AddPartnerRequest) { r.Realm = "z.example" },
		"no name":              func(r *v1.AddPartnerRequest) { r.Realm = "" },
		"another fingerprint":  func(r *v1.AddPartnerRequest) { r.Fingerprint = a.Keys().GetFingerprint() },
		"half a fingerprint":   func(r *v1.AddPartnerRequest) { r.Fingerprint = r.GetFingerprint()[:32] },
		"no address":           func(r *v1.AddPartnerRequest) { r.Urls = nil },
		"no https":             func(r *v1.AddPartnerRequest) { r.Urls[0] = "http://127.0.0.1" },
		"a space in the name":  func(r *v1.AddPartnerRequest) { r.Urls[0] = "https://127.0.0.1 " },
		"an address of nobody": func(r *v1.AddPartnerRequest) { r.Urls[0] = "https://127.0.0.1:1" },
	} {
		req := a.adding(b)
		spoil(req)
		if _, err := a.Admin.AddPartner(t.Context(), req); err == nil || connect.CodeOf(err) == connect.CodeInternal {
			t.Errorf("%s: %v", what, err)
		}
	}
	resp, err := a.Admin.AddPartner(t.Context(), a.adding(b))
	a.Must(nil, err)
	if resp.GetOwnRealm() != "a.example" || resp.GetOwnFingerprint() != a.Keys().GetFingerprint() || resp.GetPartner().GetState() != "b.example has not told its people yet: that takes a few minutes after it was added" {
		t.Errorf("%v", resp)
	}
	req := a.adding(b)
	req.Realm = "B.Example"
	if _, err := a.Admin.AddPartner(t.Context(), req); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Errorf("twice: %v", err)
	}
	if n := a.rows("partner.add"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Promise partner-alike.
func TestANameThatLooksLikeAnotherIsRefusedAndSaid(t *testing.T) {
	a := newSide(t, "a1.example")
	a.Settings.URL = "https://id.a1.example"
	b := inFile(t, "b.example")
	a.trusts(b)
	for name, want := range map[string]string{
		"al.example": `"al.example" looks like "a1.example"`, "а1.example": "Cyrillic", "xn--1-7sb.example": "Cyrillic", "B.examp1e": `looks like "b.example"`,
	} {
		req := a.adding(b)
		req.Realm = name
		if _, err := a.Admin.AddPartner(t.Context(), req); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--looks-alike") {
			t.Errorf("%s: %v", name, err)
		}
	}
	req := a.adding(b)
	req.Realm, req.Urls = "c.example", []string{"https://id.al.example"}
	if _, err := a.Admin.AddPartner(t.Context(), req); err == nil || !strings.Contains(err.Error(), `"id.al.example" looks like "id.a1.example"`) {
		t.Errorf("the domain: %v", err)
	}
	c := inFile(t, "al.example")
	c.Must(c.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob"}))
	req = a.adding(c)
	req.LooksAlike = true
	a.Must(a.Admin.AddPartner(t.Context(), req))
	c.others = []*side{a}
	back := c.adding(a)
	back.LooksAlike = true
	c.Must(c.Admin.AddPartner(t.Context(), back))
	a.opts("alice", true)
	c.opts("bob", true)
	both(c, a)
	p, err := a.finds("alice", "bob", "al.example")
	a.Must(nil, err)
	if strings.Join(p.GetRealmLooksLike(), " ") != "a1.example" || strings.Join(a.shows("al.example").GetLooksLike(), " ") != `"al.example" looks like "a1.example"` {
		t.Errorf("%v, %v", p, a.shows("al.example"))
	}
}
