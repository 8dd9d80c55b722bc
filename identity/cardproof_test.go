package identity_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func FuzzParseCardProof(f *testing.F) {
	print := bytes.Repeat([]byte{7}, 32)
	for _, p := range []identity.CardProof{
		{},
		{Fingerprint: print, Signature: []byte{1}},
		{Fingerprint: print, Signature: []byte{1}, Certificate: []byte{2}, Attestation: [][]byte{{3}, {4}}},
		{Fingerprint: print, Signature: []byte{1}, Attestation: [][]byte{{3}, {4}, {5}}},
	} {
		s, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Reveal())
	}
	f.Add([]byte{})
	f.Add([]byte{0xa2, 1, 0x41, 7, 2, 0x41, 7, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := identity.ParseCardProof(b)
		if err != nil {
			if !errors.Is(err, identity.ErrCard) {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(p.Fingerprint) != 32 || len(p.Signature) == 0 || len(p.Certificate) > identity.MaxCertificate || len(p.Attestation) > 2 {
			t.Fatalf("taken: %+v", p)
		}
		// Whatever it holds, it is no proof of a card that is none.
		if p.Verify(p.Certificate, identity.CardChallenge{}) == nil {
			t.Fatal("it proves something")
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if q, err := identity.ParseCardProof(again.Reveal()); err != nil || !bytes.Equal(q.Signature, p.Signature) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func FuzzParseBackupCode(f *testing.F) {
	f.Add("h3kd-0w9x-tz5m")
	f.Add("H3KD OW9X TZ5M")
	f.Add("123456")
	f.Add("")
	f.Add("correct horse battery123456")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := identity.ParseBackupCode(identity.NewSecret([]byte(typed)))
		if ok != (code.Len() == 12) {
			t.Fatalf("%d bytes, ok %t", code.Len(), ok)
		}
		if !ok {
			return
		}
		if again, ok := identity.ParseBackupCode(code); !ok || !bytes.Equal(again.Reveal(), code.Reveal()) {
			t.Fatal("the one form has another")
		}
	})
}

func TestABackupCodeIsTakenAsPeopleTypeItAndNothingElseIs(t *testing.T) {
	parse := func(s string) string {
		code, ok := identity.ParseBackupCode(identity.NewSecret([]byte(s)))
		if !ok {
			return ""
		}
		return string(code.Reveal())
	}
	for _, typed := range []string{"h3kd-0w1x-tz5m", "H3KD0W1XTZ5M", " h3kd Ow1x tz5m ", "h3kd-oWIx-tz5m", "h3kd-owLx-TZ5M"} {
		if got := parse(typed); got != "h3kd0w1xtz5m" {
			t.Errorf("%q is taken for %q", typed, got)
		}
	}
	for _, typed := range []string{"", "123456", "h3kd-0w1x-tz5", "h3kd-0w1x-tz5mm", "h3kd-0w1x-tz5u", "h3kd_0w1x_tz5m", "h3kd-0w1x-tz5\n"} {
		if got := parse(typed); got != "" {
			t.Errorf("%q is taken for %q", typed, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		c := identity.NewBackupCode()
		if len(c.Reveal()) != 14 || parse(string(c.Reveal())) == "" || seen[string(c.Reveal())] {
			t.Fatal(string(c.Reveal()))
		}
		seen[string(c.Reveal())] = true
	}
}
