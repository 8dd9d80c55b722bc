package test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	idPass     = "a phrase that no server sees"
	idWrong    = "another phrase, that is wrong"
	idState    = "/home/ada-state"
	idAda      = "export XDG_STATE_HOME=" + idState + "; sallyport identity "
	idPassword = "Identity password: "
)

// idCode switches the service on, and is a code for ada.
func idCode(t *testing.T, r *machine.Realm) string {
	t.Helper()
	admin(t, r, "", "identity", "set", "--enabled", "yes")
	var v struct {
		Code string `json:"code"`
	}
	must(t, json.Unmarshal([]byte(admin(t, r, "", "identity", "invite", ada, "--json")), &v))
	return v.Code
}

// identities runs a command of the identity service as ada.
func identities(t *testing.T, r *machine.Realm, turns []string, words string) machine.Outcome {
	t.Helper()
	o, err := r.TalkAs(t.Context(), ada, turns, idAda+words)
	must(t, err)
	return o
}

func wantsScreen(t *testing.T, o machine.Outcome, code int, text string) {
	t.Helper()
	if o.Code != code || !strings.Contains(strings.Join(strings.Fields(o.Screen), " "), text) {
		t.Errorf("exit code %d, want %d and %q:\n%s", o.Code, code, text, o.Screen)
	}
}

// Promise identity-client-password, identity-service-secrets.
func TestAPersonProvesAPasswordThatTheServerNeverSees(t *testing.T) {
	r := joined(t)
	wantsScreen(t, identities(t, r, []string{idPassword, idPass}, "login"), 70, "this realm has no identity service")
	code := idCode(t, r)
	script(t, r, `install -d -o ada -m 0700 `+idState)

	twice := []string{"New identity password: ", idPass, "Once more: ", idPass}
	wantsScreen(t, identities(t, r, twice, "register --device laptop --code WRONG"), 70, "the code is wrong, used or over")
	wantsScreen(t, identities(t, r, twice, "register --device laptop --code "+code), 0, "Registered, and logged in as ada on the device laptop.")
	wantsScreen(t, identities(t, r, twice, "register --device laptop --code "+code), 70, "the code is wrong, used or over")
	wantsScreen(t, identities(t, r, []string{idPassword, idWrong}, "login --device tablet"), 1, "the password is wrong")
	wantsScreen(t, identities(t, r, []string{idPassword, idPass}, "login --device tablet"), 0, "Logged in as ada on the device tablet.")
	if out := script(t, r, `stat -c '%a %U' `+idState+`/sallyport/identity `+idState+`/sallyport/identity/*.json | sort -u`); out != "600 ada\n700 ada\n" {
		t.Errorf("the token's file and folder: %q", out)
	}

	// Whoever has the token can ask about it, and the daemon knows no other answer than the server's.
	verify := func(device string) machine.Outcome {
		o, err := r.RunAs(t.Context(), local, "sallyport identity verify ada "+device+" < /tmp/token")
		must(t, err)
		return o
	}
	script(t, r, `runuser -u ada -- sh -c '`+idAda+`token --device tablet' > /tmp/token; chmod 0644 /tmp/token`)
	wantsScreen(t, verify("tablet"), 0, "The token is ada's, on the device tablet.")
	wantsScreen(t, verify("laptop"), 1, "It is no good token of ada")
	wantsScreen(t, identities(t, r, nil, "devices --device tablet --json"), 0, `"device": "laptop"`)
	wantsScreen(t, identities(t, r, nil, "revoke tablet --device laptop"), 0, "The token of the device tablet is revoked.")
	wantsScreen(t, verify("tablet"), 1, "It is no good token of ada")
	wantsScreen(t, identities(t, r, nil, "token --device tablet"), 70, "no token is kept here for the device tablet")

	// Nobody else's account answers for somebody who is none.
	o, err := r.TalkAs(t.Context(), local, []string{idPassword, idPass}, "sallyport identity login")
	must(t, err)
	wantsScreen(t, o, 66, "no account of the realm")

	unseen(t, r)
	wantsScreen(t, identities(t, r, []string{idPassword, idPass}, "login --device tablet"), 0, "Logged in as ada")
	wantsScreen(t, identities(t, r, nil, "devices --device tablet"), 0, "tablet")
	script(t, r, `rm /tmp/token`)
	tokenUnseen(t, r, strings.TrimSpace(script(t, r, `runuser -u ada -- sh -c '`+idAda+`token --device tablet'`)))
	r.Server.Kill()
	must(t, r.WaitOffline(t.Context()))
	wantsScreen(t, identities(t, r, []string{idPassword, idPass}, "login --device tablet"), 69, "nothing was done")
}

// unseen looks for the passwords in all that server and daemon print and keep.
func unseen(t *testing.T, r *machine.Realm) {
	t.Helper()
	const places = machine.ServerDir + ` /var/lib/sallyport /var/log /run/sallyport /etc/sallyport ` + idState
	script(t, r, `ls -d `+places)
	for _, secret := range []string{idPass, idWrong} {
		for what, p := range map[string]*machine.Process{"daemon": r.Daemon, "server": r.Server} {
			if strings.Contains(p.Output.String(), secret) {
				t.Errorf("the %s prints the password", what)
			}
		}
		found := script(t, r, `grep -rlaF -e '`+secret+`' `+places+` 2>/dev/null || true`)
		if strings.TrimSpace(found) != "" {
			t.Errorf("the password stands in %s", found)
		}
	}
}

// tokenUnseen looks for a token, in the forms that bytes are printed in, everywhere but in its
// owner's file, which has it.
func tokenUnseen(t *testing.T, r *machine.Realm, text string) {
	t.Helper()
	token, err := base64.RawURLEncoding.DecodeString(text)
	must(t, err)
	forms := []string{text, base64.StdEncoding.EncodeToString(token), hex.EncodeToString(token), strings.Trim(fmt.Sprintf("%d", token), "[]"), fmt.Sprintf("%q", token)}
	for _, form := range forms {
		for what, p := range map[string]*machine.Process{"daemon": r.Daemon, "server": r.Server} {
			if strings.Contains(p.Output.String(), form) {
				t.Errorf("the %s prints the token", what)
			}
		}
	}
	quoted := make([]string, len(forms)) // for the shell
	for i, form := range forms {
		quoted[i] = strings.ReplaceAll(form, `'`, `'\''`)
	}
	var bytes strings.Builder
	for _, b := range token {
		fmt.Fprintf(&bytes, `\x%02x`, b)
	}
	const places = machine.ServerDir + ` /var/lib/sallyport /var/log /run/sallyport /etc/sallyport /tmp /home /root`
	found := script(t, r, `{ grep -rlaF -e '`+strings.Join(quoted, `' -e '`)+`' `+places+`; LC_ALL=C grep -rlaP -e '`+bytes.String()+`' `+places+`; } 2>/dev/null || true`)
	var files []string
	for _, f := range strings.Fields(found) {
		if !strings.HasPrefix(f, idState+"/sallyport/identity/") {
			t.Errorf("the token stands in %s", f)
		}
		files = append(files, f)
	}
	if len(files) != 1 {
		t.Errorf("the token stands in %q, want its owner's file", files)
	}
}

// guess is one wrong password.
func guess(t *testing.T, r *machine.Realm) machine.Outcome {
	t.Helper()
	return identities(t, r, []string{idPassword, idWrong}, "login --device laptop")
}

// Promise identity-client-words.
func TestWhoGuessesTooOftenIsToldHowLong(t *testing.T) {
	r := joined(t)
	code := idCode(t, r)
	script(t, r, `install -d -o ada -m 0700 `+idState)
	twice := []string{"New identity password: ", idPass, "Once more: ", idPass}
	wantsScreen(t, identities(t, r, twice, "register --device laptop --code "+code), 0, "Registered")
	ctx, cancel := context.WithTimeout(t.Context(), machine.Patience)
	defer cancel()
	for ctx.Err() == nil {
		o := guess(t, r)
		if strings.Contains(o.Screen, "too many wrong answers: wait ") {
			wantsScreen(t, identities(t, r, []string{idPassword, idPass}, "login --device laptop"), 70, "too many wrong answers: wait ")
			return
		}
		wantsScreen(t, o, 1, "the password is wrong")
	}
	t.Error("nobody is locked")
}
