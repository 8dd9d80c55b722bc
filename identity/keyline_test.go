package identity_test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

const bareKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIrSMHaEoyGBBK0J9vPOAHYgNQDDcQM1W2U0RXyJZuVM"

// Promise key-options.
func TestOptionsOfAKeyAreThoseOfSshdAndNoOthers(t *testing.T) {
	for _, options := range []string{
		"restrict", "restrict,pty", "Restrict,X11-Forwarding", "no-pty,no-user-rc,no-port-forwarding,no-agent-forwarding,no-X11-forwarding",
		`command="echo \"a,b\" \\o/"`, `from="192.0.2.0/24,!192.0.2.7,*.example.org,2001:db8::/32"`, `expiry-time="20301231"`,
		`expiry-time="20301231235959Z"`, `permitopen="a:1",permitopen="[2001:db8::1]:22",permitopen="*:*"`, `permitlisten="8080",permitlisten="localhost:*"`,
		`cert-authority,principals="ada,ops"`, `environment="A=1",environment="B="`, `tunnel="0"`, `tunnel="any"`, "verify-required", "no-touch-required",
	} {
		k, err := identity.ParseKeyLine(options + " " + bareKey)
		if err != nil || k.Text != options || k.Key != bareKey || len(k.Options) == 0 {
			t.Errorf("%s: %+v, %v", options, k, err)
		}
	}
	for _, options := range []string{
		"permit-everything", "no-restrict", "no-verify-required", "no-cert-authority", "command", `command=x`, `command="x`, `command=""`, `command="x"restrict`,
		`command="a",command="b"`, `from="10.0.0.0/8",from="*"`, `restrict="x"`, "restrict,", ",restrict", "restrict,,pty", `from=""`, `from="a,,b"`, `from="10.0.0.1/8"`,
		`from="a b"`, `expiry-time="soon"`, `expiry-time="20301331"`, `permitopen="22"`, `permitopen="a:0"`, `permitopen="a:x"`, `permitlisten="a:b:1"`,
		`environment="A"`, `environment="A B=1"`, `tunnel="x"`, `principals=""`, `expiry-time="20301231",expiry-time="20991231"`,
	} {
		if k, err := identity.ParseKeyLine(options + " " + bareKey); err == nil {
			t.Errorf("%s is taken: %+v", options, k)
		}
	}
	k, err := identity.ParseKeyLine(`COMMAND="say \"hi\"",from="*" ` + bareKey)
	if err != nil || len(k.Options) != 2 || k.Options[0] != (identity.KeyOption{Name: "command", Value: `say "hi"`}) || !k.Has("from") {
		t.Errorf("%+v, %v", k, err)
	}
}

// Promise key-options.
func TestALineOfAKeyHasNoOtherBehindIt(t *testing.T) {
	for _, line := range []string{
		"", " ", "ssh-ed25519", bareKey + " ada", bareKey + "\n" + bareKey, "restrict\n" + bareKey, "restrict " + bareKey + "\ncommand=\"/bin/sh\" " + bareKey,
		`command="x\" ` + bareKey, `command="x` + "\n" + `" ` + bareKey, `command="x` + "\x00" + `" ` + bareKey, "restrict  " + bareKey, " " + bareKey,
		"restrict\t" + bareKey, `command="x" ssh-ed25519`, `restrict,command="x" ssh-ed25519`, "ssh-ed25519 ssh-ed25519 AAAA", "restrict restrict " + bareKey,
		`command="ü" ` + bareKey, `command="` + strings.Repeat("x", identity.MaxKeyLine) + `" ` + bareKey,
	} {
		if k, err := identity.ParseKeyLine(line); err == nil {
			t.Errorf("%q is taken: %+v", line, k)
		}
	}
}

func FuzzParseKeyLine(f *testing.F) {
	f.Add(bareKey)
	f.Add(`command="a \"b\" c",from="10.0.0.0/8",restrict ` + bareKey)
	f.Fuzz(func(t *testing.T, line string) {
		k, err := identity.ParseKeyLine(line)
		if err != nil {
			return
		}
		whole := k.Key
		if k.Text != "" {
			whole = k.Text + " " + k.Key
		}
		if whole != line || strings.Count(k.Key, " ") != 1 || strings.ContainsAny(line, "\n\r\x00") {
			t.Errorf("%q became %+v", line, k)
		}
	})
}
