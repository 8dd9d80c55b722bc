package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// maxFile bounds a file that an option names.
const maxFile = 1 << 20

// readFile reads a file, or standard input when its name is empty.
func readFile(what, name string) ([]byte, error) {
	in := os.Stdin
	if name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if len(b) == 0 || len(b) > maxFile {
		return nil, fmt.Errorf("read %s: %d bytes, want 1 to %d", what, len(b), maxFile)
	}
	return b, nil
}

func addCard(f *command.Flags) request {
	req := &v1.AddCardRequest{}
	f.StringVar(&req.Label, "label", "", "`text`: what prompts and lists call it")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		var err error
		if req.Certificate, err = readFile("certificate", f.Name(1)); err != nil {
			return nil, err
		}
		req.Name = f.Name(0)
		return c.AddCard(ctx, req)
	}
}

// onCard is a command on one card of an account.
func onCard(method func(sallyportv1connect.AdminServiceClient, context.Context, *v1.CardRequest) (*v1.AccountView, error)) prepare {
	return plain(func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		return method(c, ctx, &v1.CardRequest{Name: f.Name(0), Fingerprint: f.Name(1)})
	})
}

// words reads a list with commas or blanks between.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// number reads one, and tells absent from zero.
func number(f *command.Flags, name, usage string, into **uint32) {
	f.Func(name, usage, func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		*into = proto.Uint32(uint32(n))
		return nil
	})
}

func realmSet(f *command.Flags) request {
	req := &v1.SetRealmRequest{}
	f.Func("points", "what each factor is worth: `factor=n`,...", func(s string) error {
		for _, word := range words(s) {
			kind, count, ok := strings.Cut(word, "=")
			n, err := strconv.ParseUint(count, 10, 32)
			if !ok || err != nil {
				return fmt.Errorf("%q is not KIND=POINTS", word)
			}
			req.Points = append(req.Points, &v1.KindPoints{Kind: kind, Points: uint32(n)})
		}
		return nil
	})
	f.Func("attestation-ca", "PEM `file` of those who certify cards; empty: none", func(name string) error {
		req.AttestationCa = []byte{}
		if name == "" {
			return nil
		}
		var err error
		req.AttestationCa, err = readFile("attestation authorities", name)
		return err
	})
	maybe(f, "require-attestation", "`true|false`: take only cards that are certified", &req.RequireAttestation)
	number(f, "password-max-age", "after how many `days` a password is due; 0: never", &req.PasswordMaxAge)
	number(f, "password-min-length", "least `number` of characters", &req.PasswordMinLength)
	number(f, "password-history", "`number` of earlier passwords that are refused", &req.PasswordHistory)
	storedKeys(f, "`accept|refuse` the ssh keys that the realm has stored, at its machines", &req.StoredKeys)
	wait := uint32(0)
	span(f, "request-wait", "for how long a request waits for approvals: `time`, 5m to 24h", &wait)
	number(f, "certificates-early", "by how many `minutes` ssh certificates begin before they were made, for clocks that are slow: 0 to 15", &req.CertificatesEarly)
	maybe(f, "opaque-passwords", "`true|false`: register passwords by OPAQUE, so that the server sees none", &req.OpaquePasswords)
	given(f, "organisation", "`text`: what the realm says of itself to its partners; '' for nothing", &req.Organisation)
	maybe(f, "console", "`true|false`: serve the console, pages for people without a machine, under /console/", &req.Console)
	maybe(f, "verify-server-keys", "`true|false`: let this server hold keys to verify people with, for who asks it to on the console; false ends those that it holds", &req.VerifyServerKeys)
	f.BoolVar(&req.NewestCopy, "newest-copy", false, "this server's database is the one to go on with, of two that were written to")
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		if wait != 0 {
			req.RequestWaitSeconds = &wait
		}
		return c.SetRealm(ctx, req)
	}
}

func cards(w io.Writer, a *v1.AccountView) {
	for _, c := range a.GetCards() {
		origin := "not attested"
		if c.GetAttested() {
			origin = strings.TrimSpace("attested " + c.GetSerial())
		}
		fmt.Fprintf(w, "card\t%s\t%s\t%s\t%s\tuntil %s\t%s\n", c.GetFingerprint(), c.GetState(), c.GetLabel(), c.GetKeyType(), stamp(c.GetNotAfter()), origin)
	}
	for _, f := range a.GetFactors() {
		if f == "backup-code" {
			fmt.Fprintf(w, "backup codes\t%d left\n", a.GetBackupCodes())
		}
	}
}

func newCodes(w io.Writer, m *v1.NewBackupCodesResponse) {
	fmt.Fprintf(w, "Backup codes of %s, each good once. They are shown only now; older ones are void.\n\n", m.GetAccount().GetName())
	for _, c := range m.GetCodes() {
		fmt.Fprintf(w, "%s\n", c)
	}
}

func realmSettings(w io.Writer, m *v1.RealmView) {
	fmt.Fprintf(w, "name\t%s\n", m.GetName())
	var points []string
	for _, k := range m.GetPoints() {
		points = append(points, fmt.Sprintf("%s=%d", k.GetKind(), k.GetPoints()))
	}
	fmt.Fprintf(w, "points\t%s\n", strings.Join(points, " "))
	for _, name := range m.GetAttestationCa() {
		fmt.Fprintf(w, "attestation CA\t%s\n", name)
	}
	fmt.Fprintf(w, "stored ssh keys\t%s\nrequest wait\t%s\n", m.GetStoredKeys(), time.Duration(m.GetRequestWaitSeconds())*time.Second)
	fmt.Fprintf(w, "require attestation\t%s\n", yesNo(m.GetRequireAttestation()))
	fmt.Fprintf(w, "password min length\t%d characters\n", m.GetPasswordMinLength())
	fmt.Fprintf(w, "password history\t%d\n", m.GetPasswordHistory())
	age := "does not expire"
	if days := m.GetPasswordMaxAge(); days > 0 {
		age = fmt.Sprintf("%d days", days)
	}
	fmt.Fprintf(w, "password max age\t%s\n", age)
	fmt.Fprintf(w, "passwords by OPAQUE\t%s\n", yesNo(m.GetOpaquePasswords()))
	fmt.Fprintf(w, "certificates early\t%d min\n", m.GetCertificatesEarly())
	if m.GetOrganisation() != "" {
		fmt.Fprintf(w, "organisation\t%s\n", m.GetOrganisation())
	}
	fmt.Fprintf(w, "console\t%s\n", yesNo(m.GetConsole()))
	fmt.Fprintf(w, "verify keys at the server\t%s\n", yesNo(m.GetVerifyServerKeys()))
	list := "built in"
	if file := m.GetCommonPasswordsFile(); file != "" && m.GetCommonPasswordsFault() == "" {
		list = file
	}
	fmt.Fprintf(w, "common passwords\t%d, %s\n", m.GetCommonPasswords(), list)
	if why := m.GetCommonPasswordsFault(); why != "" {
		fmt.Fprintf(w, "common passwords\tthe built-in list holds: %s\n", why)
	}
}
