package application_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// carrier is a program that writes down what it is to carry.
type carrier struct {
	r       *rig
	program string
	file    string
}

func (r *rig) carrier(end string) carrier {
	r.T.Helper()
	dir := r.T.TempDir()
	c := carrier{r, filepath.Join(dir, "carry"), filepath.Join(dir, "carried")}
	script := fmt.Sprintf("#!/bin/sh\n{ echo \"$# $*\"; cat; } > %s\nexit %s\n", c.file, end)
	r.Must(nil, os.WriteFile(c.program, []byte(script), 0o700))
	return c
}

// came is what was carried last, and the code in it.
func (c carrier) came() (text, code string) {
	c.r.T.Helper()
	b, err := os.ReadFile(c.file)
	c.r.Must(nil, err)
	return string(b), regexp.MustCompile(`\b[0-9]{8}\b`).FindString(string(b))
}

// open lets people register by themselves, into the group guests.
func (r *rig) openTo(d application.Delivery) {
	r.T.Helper()
	r.Must(r.Admin.AddGroup(r.T.Context(), &v1.AddGroupRequest{Name: "guests"}))
	group := "guests"
	r.Must(r.Admin.SetApplications(r.T.Context(), &v1.SetApplicationsRequest{SelfRegistration: &group}))
	r.delivery = d
	r.serve()
}

func (r *rig) accounts() (list []*v1.AccountView) {
	r.T.Helper()
	all, err := r.Admin.ListAccounts(r.T.Context(), &v1.ListRequest{})
	r.Must(nil, err)
	for _, a := range all.GetAccounts() {
		if strings.HasPrefix(a.GetName(), "app-") {
			list = append(list, a)
		}
	}
	return list
}

const address = "ada@example.org"

// Promise application-self.
func TestWhoRegistersByThemselvesHasAnAccountThatLogsInNowhere(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	_, err := i.Begin(t.Context(), "mail", address)
	r.wants("while it is off", err, application.SelfOff)
	mail, sms := r.carrier("0"), r.carrier("0")
	r.openTo(application.Delivery{Mail: mail.program, SMS: sms.program})
	i.point(r)
	r.Must(r.Admin.GrantResource(t.Context(), &v1.GrantResourceRequest{Space: "notes", Group: "guests", Operations: []string{"create"}}))

	registration, err := i.Begin(t.Context(), "mail", address)
	r.Must(nil, err)
	text, code := mail.came()
	if !strings.HasPrefix(text, "3 -i -- "+address+"\nTo: "+address+"\nSubject: Your code for example.org\n\n") || code == "" {
		t.Errorf("mailed: %q", text)
	}
	name, err := i.Register(t.Context(), registration, code, []byte(passphrase))
	r.Must(nil, err)
	list := r.accounts()
	if len(list) != 1 || list[0].GetName() != name || list[0].GetShell() != "/usr/sbin/nologin" || len(list[0].GetSshKeys()) != 0 || len(list[0].GetFactors()) != 0 {
		t.Fatalf("made: %v", list)
	}
	if r.LogsIn(name, "") || r.LogsIn(name, passphrase) || r.LogsIn(name, code) {
		t.Error("it logs in")
	}
	g, err := r.Admin.ShowGroup(t.Context(), servertest.Named("guests"))
	r.Must(nil, err)
	if strings.Join(g.GetAccounts(), " ") != name {
		t.Errorf("the group has %v", g.GetAccounts())
	}
	s, err := i.Open(name, []byte(passphrase))
	r.Must(nil, err)
	if got := r.does(s, message.Create, text1("notes/mine")); !got.Done {
		t.Errorf("%+v", got)
	}
	_, err = s.Order(t.Context(), message.Read, about("notes/mine", 0))
	r.wants("more than the group may", err, application.Permission)

	registration, err = i.Begin(t.Context(), "sms", "+15550100123")
	r.Must(nil, err)
	text, code = sms.came()
	if !strings.HasPrefix(text, "2 -- +15550100123\n") {
		t.Errorf("sent: %q", text)
	}
	r.Must(i.Register(t.Context(), registration, code, []byte(passphrase)))
	secret := rand.Text()
	registration, err = i.Begin(t.Context(), "totp", secret)
	r.Must(nil, err)
	code, err = totp.GenerateCode(secret, r.Now())
	r.Must(nil, err)
	r.Must(i.Register(t.Context(), registration, code, []byte(passphrase)))
	if n := len(r.accounts()); n != 3 {
		t.Errorf("%d accounts", n)
	}
	if rows := strings.Join(r.audit("application.register"), "\n"); strings.Contains(rows, address) || !strings.Contains(rows, "method mail: ok") {
		t.Errorf("the audit log has %q", rows)
	}
}

func text1(resource string) message.OrderBody { return text(resource, "x", 0) }

// Promise application-self-code.
func TestACodeThatWasSentIsGoodForFiveTriesAndTenMinutes(t *testing.T) {
	r := newRig(t)
	mail := r.carrier("0")
	r.openTo(application.Delivery{Mail: mail.program})
	i, other := r.announced(), r.announced()
	begin := func() (registration, code string) {
		t.Helper()
		registration, err := i.Begin(t.Context(), "mail", address)
		r.Must(nil, err)
		_, code = mail.came()
		return registration, code
	}
	try := func(i instance, registration, code string) error {
		_, err := i.Register(t.Context(), registration, code, []byte(passphrase))
		return err
	}
	registration, code := begin()
	wrong := strings.Map(func(d rune) rune { return '0' + (d-'0'+1)%10 }, code)
	r.wants("from another instance", try(other, registration, code), application.WrongCode)
	if got := r.finish(i.self(), registration, func(*crafted) {}); got != application.WrongCode {
		t.Errorf("the key before the code: %q", got)
	}
	for range 5 {
		r.wants("a wrong one", try(i, registration, wrong), application.WrongCode)
	}
	r.wants("the right one, after five wrong ones", try(i, registration, code), application.WrongCode)
	_, err := i.Begin(t.Context(), "mail", address)
	r.wants("another code, at once", err, application.Busy)
	r.later(10 * time.Minute)
	registration, code = begin()
	wrong = strings.Map(func(d rune) rune { return '0' + (d-'0'+1)%10 }, code)
	for range 4 {
		r.wants("a wrong one", try(i, registration, wrong), application.WrongCode)
	}
	r.wants("the right one, after four wrong ones", try(i, registration, code), "")
	r.wants("once more", try(i, registration, code), application.WrongCode)
	registration, code = begin()
	r.later(10 * time.Minute)
	r.wants("too late", try(i, registration, code), application.WrongCode)

	// What is half made leaves no account.
	registration, code = begin()
	self := i.self()
	r.cause("the code", self, r.sealed(r.craft(self, message.Code), message.CodeBody{Code: code, Registration: registration}), "")
	r.later(5 * time.Minute)
	r.Must(nil, r.service.Tidy(t.Context()))
	if n := len(r.accounts()); n != 1 {
		t.Errorf("%d accounts", n)
	}
	registration, code = begin()
	off := ""
	r.Must(r.Admin.SetApplications(t.Context(), &v1.SetApplicationsRequest{SelfRegistration: &off}))
	r.wants("switched off meanwhile", try(i, registration, code), application.WrongCode)
}

// Promise application-self-flood.
func TestCodesAreSentToOnePlaceOnceAndToWhatIsOne(t *testing.T) {
	r := newRig(t)
	mail, broken := r.carrier("0"), r.carrier("1")
	r.openTo(application.Delivery{Mail: mail.program, SMS: broken.program})
	i, other := r.announced(), r.announced()
	begin := func(i instance, method, payload string) error {
		_, err := i.Begin(t.Context(), method, payload)
		return err
	}
	for _, c := range []struct{ method, payload string }{
		{"mail", ""},
		{"mail", "ada"},
		{"mail", "-bs@example.org"},
		{"mail", "Ada <ada@example.org>"},
		{"mail", "ada@example.org, eve@example.org"},
		{"mail", "ada@example.org\nBcc: eve@example.org"},
		{"mail", `"a b"@example.org`},
		{"sms", "15550100123"},
		{"sms", "+1555;id"},
		{"sms", "+1"},
		{"totp", "short"},
		{"totp", strings.Repeat("1", 32)},
	} {
		r.wants(c.method+" "+c.payload, begin(i, c.method, c.payload), application.Malformed)
	}
	if _, err := os.Stat(mail.file); err == nil {
		t.Error("something was sent")
	}
	r.wants("an unknown method", begin(i, "pigeon", "x"), application.NoMethod)
	r.wants("what is not delivered", begin(i, "sms", "+15550100123"), application.Busy)
	r.wants("once more, for nothing is left of it", begin(i, "sms", "+15550100123"), application.Busy)
	r.wants("one", begin(i, "mail", address), "")
	r.wants("the same", begin(i, "mail", address), application.Busy)
	r.wants("the same from another instance", begin(other, "mail", address), application.Busy)
	r.wants("a second", begin(i, "mail", "bob@example.org"), "")
	r.wants("a third", begin(i, "mail", "eve@example.org"), "")
	r.wants("a fourth of one instance", begin(i, "mail", "eva@example.org"), application.Busy)
	r.wants("of another instance", begin(other, "mail", "eva@example.org"), "")
	r.later(10 * time.Minute)
	r.wants("ten minutes later", begin(i, "mail", address), "")
	r.delivery = application.Delivery{}
	r.serve()
	i.point(r)
	r.wants("without a program", begin(i, "mail", address), application.NoMethod)
}
