package wallet

import (
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// The addresses of EIP-55: all capitals, all small letters, and both.
// Promise wallet-message.
func TestAnAddressHasTheChecksumOfEIP55(t *testing.T) {
	for _, text := range []string{
		"0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != text {
			t.Errorf("%s: %s, %v", text, a, err)
		}
	}
	const good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
	for _, text := range []string{
		"", "0x", good[2:], good + "0", good[:41], strings.ToLower(good), "0x" + strings.ToUpper(good[2:]), "0X" + good[2:], "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", good[:40] + "é",
	} {
		if a, err := ParseAddress(text); !errors.Is(err, ErrAddress) || a != (Address{}) {
			t.Errorf("%q: %s, %v", text, a, err)
		}
	}
}

// full has every field.
const full = `https://service.org wants you to sign in with your Ethereum account:
0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed

I accept the Terms: https://service.org/tos

URI: https://service.org/login
Version: 1
Chain ID: 137
Nonce: 32891757
Issued At: 2021-09-30T16:25:24Z
Expiration Time: 2021-09-30T16:35:24.5Z
Not Before: 2021-09-30T16:25:24+02:00
Request ID: my%20phone
Resources:
- ipfs://bafy
- https://example.com/claim.json?a=b#c`

const least = `[::cafe]:80 wants you to sign in with your Ethereum account:
0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed


URI: urn:a
Version: 1
Chain ID: 1
Nonce: abcDEF12
Issued At: 2021-09-30T16:25:24.000Z`

// Promise wallet-message.
func TestAMessageIsReadByTheGrammarOfEIP4361(t *testing.T) {
	m, err := Parse(full)
	if err != nil || m.String() != full {
		t.Fatalf("%v:\n%s", err, m)
	}
	if m.Scheme != "https" || m.Domain != "service.org" || m.ChainID != 137 || m.Nonce != "32891757" || *m.RequestID != "my%20phone" ||
		len(m.Resources) != 2 || m.Expiration.Nanosecond() != 5e8 || m.NotBefore.UTC().Hour() != 14 || !strings.HasPrefix(m.Statement, "I accept") {
		t.Errorf("%+v", m)
	}
	m, err = Parse(least)
	if err != nil || m.Domain != "[::cafe]:80" || m.Statement != "" || m.Expiration != nil || m.NotBefore != nil || m.RequestID != nil || m.Resources != nil {
		t.Errorf("%v: %+v", err, m)
	}
	for _, text := range []string{full + "\n- urn:another", least + "\nRequest ID: ", least + "\nResources:", least + "\nNot Before: 2021-09-30T16:25:24Z"} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
	}
}

// Promise wallet-message.
func TestWhatTheGrammarOfEIP4361DoesNotHaveIsRefused(t *testing.T) {
	for what, c := range map[string][2]string{
		"no domain":                 {"https://service.org wants", " wants"},
		"no domain behind a scheme": {"https://service.org wants", "https:// wants"},
		"a scheme with a space":     {"https:", "ht tps:"},
		"a domain with a path":      {"service.org wants", "service.org/a wants"},
		"a domain with a space":     {"service.org wants", "service org wants"},
		"another sentence":          {"Ethereum account:", "Ethereum account"},
		"no checksum":               {"0x5aA", "0x5aa"},
		"no line below the address": {"BeAed\n\n", "BeAed\n"},
		"one more below it":         {"BeAed\n\n", "BeAed\n\n\n"},
		"a statement of two lines":  {"Terms: ", "Terms:\n"},
		"a statement with a tab":    {"Terms: ", "Terms:\t"},
		"a statement in UTF-8":      {"Terms: ", "Térms: "},
		"no line below it":          {"tos\n\n", "tos\n"},
		"no URI":                    {"URI: https://service.org/login\n", ""},
		"an empty URI":              {"URI: https://service.org/login\n", "URI: \n"},
		"a URI without a scheme":    {"URI: https://service.org", "URI: //service.org"},
		"a URI with a space":        {"/login", "/log in"},
		"a URI with half an escape": {"/login", "/login%2"},
		"version 2":                 {"Version: 1", "Version: 2"},
		"no version":                {"Version: 1\n", ""},
		"a chain by name":           {"Chain ID: 137", "Chain ID: main"},
		"a chain with a sign":       {"Chain ID: 137", "Chain ID: +137"},
		"a chain too large":         {"Chain ID: 137", "Chain ID: 9223372036854775808"},
		"a short nonce":             {"Nonce: 32891757", "Nonce: 3289175"},
		"a nonce with a sign":       {"Nonce: 32891757", "Nonce: 3289175-7"},
		"no date-time":              {"Issued At: 2021-09-30T", "Issued At: 2021-09-30 "},
		"an hour of one digit":      {"24Z\nExp", "Z\nExp"},
		"no such day":               {"Issued At: 2021-09-30", "Issued At: 2021-09-31"},
		"an expiration that is not": {"Expiration Time: 2021", "Expiration Time: never 2021"},
		"not before what":           {"Not Before: 2021", "Not Before: x2021"},
		"a request with a slash":    {"my%20phone", "my/phone"},
		"a request that is cut":     {"my%20phone", "my%2"},
		"resources with a word":     {"Resources:", "Resources: none"},
		"a resource without a dash": {"- ipfs", "ipfs"},
		"a resource of no scheme":   {"- ipfs://bafy", "- bafy"},
		"another order":             {"Version: 1\nChain ID: 137", "Chain ID: 137\nVersion: 1"},
		"optional ones as well":     {"Not Before: 2021-09-30T16:25:24+02:00\nRequest ID: my%20phone", "Request ID: my%20phone\nNot Before: 2021-09-30T16:25:24+02:00"},
		"a line more":               {"claim.json?a=b#c", "claim.json?a=b#c\n"},
		"carriage returns":          {"\n", "\r\n"},
		"a field twice":             {"Request ID: my%20phone", "Request ID: my%20phone\nRequest ID: my%20phone"},
		"too long":                  {"I accept", strings.Repeat("a", maxMessage)},
		"nothing":                   {full, ""},
	} {
		text := strings.Replace(full, c[0], c[1], 1)
		if what == "carriage returns" {
			text = strings.ReplaceAll(full, c[0], c[1])
		}
		if text == full {
			t.Errorf("%s changes nothing", what)
		}
		if m, err := Parse(text); !errors.Is(err, ErrMessage) || !reflect.DeepEqual(m, Message{}) {
			t.Errorf("%s: %v, %+v", what, err, m)
		}
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The first is that of the manual of web3.js for accounts.sign. The others are test vectors
// of siwe by Spruce Systems (github.com/spruceid/siwe, test/verification_positive.json, Apache-2.0 or
// MIT); v of the last is 1.
// Promise wallet-signature.
func TestTheSignerOfAKnownSignatureIsFound(t *testing.T) {
	login := "login.xyz wants you to sign in with your Ethereum account:\n0x9D85ca56217D2bb651b00f15e694EB7E713637D4\n\nSign-In With Ethereum Example Statement\n\n" +
		"URI: https://login.xyz\nVersion: 1\nChain ID: 1\nNonce: bTyXgcQxn2htgkjJn\nIssued At: 2022-01-27T17:09:38.578Z\nExpiration Time: 2100-01-07T14:31:43.952Z"
	tally := "www.tally.xyz wants you to sign in with your Ethereum account:\n0xc95EB884FE852e241D409234bfC7045CB9E31BD7\n\nSign in with Ethereum to Tally\n\n" +
		"URI: https://tally.xyz\nVersion: 1\nChain ID: 1\nNonce: 15050747\nIssued At: 2022-06-30T14:08:51.382Z"
	for _, c := range []struct{ text, signature, by string }{
		{
			"Some data", "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
			"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23",
		},
		{
			login, "dc35c7f8ba2720df052e0092556456127f00f7707eaa8e3bbff7e56774e7f2e05a093cfc9e02964c33d86e8e066e221b7d153d27e5a2e97ccd5ca7d3f2ce06cb1b",
			"0x9D85ca56217D2bb651b00f15e694EB7E713637D4",
		},
		{
			tally, "8c46b6eb8505939892d8e9b075f89f8277321b17b993151f37810cdda38cce6f4a85909d2b53e6a14629c74c0ac38bf4becde78ee5b2529812bf6cceaf7b2a2501",
			"0xc95EB884FE852e241D409234bfC7045CB9E31BD7",
		},
	} {
		signature := unhex(t, c.signature)
		if a, err := recoverSigner([]byte(c.text), signature); err != nil || a.String() != c.by {
			t.Errorf("%s: %s, %v", c.by, a, err)
		}
		if c.text == "Some data" {
			continue
		}
		if m, a, err := Read(append([]byte(c.text), signature...)); err != nil || a.String() != c.by || m.Address != a {
			t.Errorf("%s: %s, %v", c.by, a, err)
		}
	}
}

// signed is a message with a signature by a new key, whose address it has.
func signed(t testing.TB, m Message) (text, signature []byte, by Address) {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	copy(by[:], keccak(key.PubKey().SerializeUncompressed()[1:])[12:])
	m.Address = by
	text = []byte(m.String())
	c := ecdsa.SignCompact(key, digest(text), false)
	return text, append(c[1:], c[0]), by
}

// Promise wallet-signature.
func TestOneSignatureOfAMessageIsTaken(t *testing.T) {
	m, err := Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	text, signature, by := signed(t, m)
	if _, a, err := Read(append(text, signature...)); err != nil || a != by {
		t.Fatalf("%s, %v", a, err)
	}
	change := func(at int, to byte) []byte {
		s := append([]byte(nil), signature...)
		s[at] = to
		return s
	}
	order := secp256k1.Params().N
	high := append([]byte(nil), signature...) // the same with n-s, which is as valid to ECDSA
	new(big.Int).Sub(order, new(big.Int).SetBytes(signature[32:64])).FillBytes(high[32:64])
	high[64] ^= 27 ^ 28
	beyond := append([]byte(nil), signature...)
	order.FillBytes(beyond[32:64])
	_, another, _ := signed(t, m)
	for what, s := range map[string][]byte{
		"none": {}, "cut": signature[:64], "longer": append(append([]byte(nil), signature...), 0), "a high s": high, "an s beyond the order": beyond,
		"no r": append(make([]byte, 32), signature[32:]...), "no s": append(append(append([]byte(nil), signature[:32]...), make([]byte, 32)...), signature[64]),
		"another's": another, "another bit": change(10, signature[10]^1), "v 29": change(64, 29), "v 30": change(64, 30), "v 2": change(64, 2), "v 255": change(64, 255),
		"v of a compressed key": change(64, signature[64]+4),
		"the other v":           change(64, signature[64]^27^28),
	} {
		if m, a, err := Read(append(append([]byte(nil), text...), s...)); err == nil || a != (Address{}) || !reflect.DeepEqual(m, Message{}) {
			t.Errorf("%s: %s, %v", what, a, err)
		}
	}
}

// Promise wallet-bound.
func TestAMessageIsTakenForOneLogin(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := Login{Realm: "example.org", Chain: 1, Device: "my phone/é"}
	good := l.Message(Address{1}, now)
	if read, err := Parse(good.String()); err != nil || !reflect.DeepEqual(read, good) || *good.RequestID != "my%20phone%2F%C3%A9" {
		t.Fatalf("%v:\n%s", err, good)
	}
	if err := l.Check(good, now); err != nil {
		t.Fatal(err)
	}
	if another := l.Message(Address{1}, now); another.Nonce == good.Nonce || len(good.Nonce) < 8 {
		t.Errorf("nonce %q", good.Nonce)
	}
	at := func(d time.Duration) *time.Time {
		t := now.Add(d)
		return &t
	}
	for what, c := range map[string]struct {
		change func(*Message)
		good   bool
	}{
		"https":                     {func(m *Message) { m.Scheme = "https" }, true},
		"http":                      {func(m *Message) { m.Scheme = "http" }, false},
		"another domain":            {func(m *Message) { m.Domain = "example.com" }, false},
		"a domain within":           {func(m *Message) { m.Domain = "a.example.org" }, false},
		"another URI":               {func(m *Message) { m.URI = "https://example.org/" }, false},
		"another chain":             {func(m *Message) { m.ChainID = 5 }, false},
		"another device":            {func(m *Message) { m.RequestID = new("phone") }, false},
		"the device as it is":       {func(m *Message) { m.RequestID = new("my%20phone%2f%c3%a9") }, true},
		"no device":                 {func(m *Message) { m.RequestID = nil }, false},
		"just issued":               {func(m *Message) { m.IssuedAt = *at(time.Minute) }, true},
		"issued in the future":      {func(m *Message) { m.IssuedAt = *at(time.Minute + 1) }, false},
		"issued 10 minutes ago":     {func(m *Message) { m.IssuedAt = *at(-10 * time.Minute) }, false},
		"issued a little less":      {func(m *Message) { m.IssuedAt = *at(-10*time.Minute + 1) }, true},
		"expired":                   {func(m *Message) { m.Expiration = at(0) }, false},
		"not yet expired":           {func(m *Message) { m.Expiration = at(1) }, true},
		"expires later than it may": {func(m *Message) { m.IssuedAt, m.Expiration = *at(-11 * time.Minute), at(time.Hour) }, false},
		"not before now":            {func(m *Message) { m.NotBefore = at(0) }, true},
		"not yet":                   {func(m *Message) { m.NotBefore = at(1) }, false},
	} {
		m := good
		c.change(&m)
		if err := l.Check(m, now); (err == nil) != c.good || err != nil && !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good.RequestID = new("")
	if err := (Login{Realm: "example.org", Chain: 1}).Check(good, now); err == nil {
		t.Error("a device without a name is one")
	}
}

// What is parsed is written back to what is parsed alike.
func FuzzMessage(f *testing.F) {
	f.Add(full)
	f.Add(least)
	f.Add(Login{Realm: "example.org", Chain: 1, Device: "phone"}.Message(Address{}, time.Unix(0, 0)).String())
	f.Add(strings.Replace(full, "\n\nI", "\n\n\nI", 1))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		if err != nil || again.String() != m.String() || len(text) > maxMessage {
			t.Errorf("%v:\n%s\nis written:\n%s", err, text, m)
		}
		_, _, _ = Read(append([]byte(text), make([]byte, SignatureLen)...))
	})
}
