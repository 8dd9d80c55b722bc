package test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3" // to look at the daemon's own file

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	nextPass = "a new horse, a new battery"
	stateDir = "/var/lib/sallyport"
)

// passwd is ada who runs passwd(1), with what she answers in turn.
func passwd(r *machine.Realm, who string, answers ...string) attempt {
	prompts := []string{"etype new password: ", "ew password: "}
	var turns []string
	for i, a := range answers {
		prompt := prompts[i%2]
		if i == 0 {
			prompt = "urrent password: "
		}
		turns = append(turns, prompt, a)
	}
	return func(ctx context.Context) (machine.Outcome, error) { return r.TalkAs(ctx, who, turns, "passwd") }
}

// says asserts how passwd(1) ended and what it told.
func says(t *testing.T, try attempt, ok bool, text string) {
	t.Helper()
	o, err := try(t.Context())
	must(t, err)
	// A message is broken into lines that a screen has room for.
	if o.OK() != ok || !strings.Contains(strings.Join(strings.Fields(o.Screen), " "), text) {
		t.Errorf("exit code %d, want success %v and %q:\n%s", o.Code, ok, text, o.Screen)
	}
}

// They can change nothing for her, so they say so and ask for no password.
// Promise clients-chsh.
func TestChshAndChfnSayWhoKeepsShellAndName(t *testing.T) {
	r := joined(t)
	for command, what := range map[string]string{"chsh -s /bin/sh": "The login shell of ada is kept on the server", "chfn -r 5": "The full name of ada is kept on the server"} {
		for _, who := range []string{ada, "root"} {
			o, err := r.RunAs(t.Context(), who, command+" ada")
			must(t, err)
			if o.OK() || strings.Contains(o.Screen, "assword: ") || who == ada && !strings.Contains(o.Screen, what) {
				t.Errorf("%s by %s ends with %d:\n%s", command, who, o.Code, o.Screen)
			}
		}
	}
	script(t, r, "chsh -s /bin/sh "+local+"; getent passwd "+local+" | grep :/bin/sh$")
}

// verifier reads what the machine keeps of ada's password.
func verifier(t *testing.T, r *machine.Realm) (salt, mac []byte) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+r.Path(stateDir+"/cache.db")+"?mode=ro")
	must(t, err)
	defer db.Close()
	must(t, db.QueryRowContext(t.Context(), "SELECT salt, mac FROM verifiers").Scan(&salt, &mac))
	return salt, mac
}

// remains tells in which of the daemon's files the bytes can still be found.
func remains(t *testing.T, r *machine.Realm, what []byte) (files []string) {
	t.Helper()
	list, err := os.ReadDir(r.Path(stateDir))
	must(t, err)
	for _, f := range list {
		b, err := os.ReadFile(r.Path(stateDir + "/" + f.Name()))
		must(t, err)
		if bytes.Contains(b, what) {
			files = append(files, f.Name())
		}
	}
	return files
}

func TestPasswdChangesThePasswordOnTheServer(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	salt, mac := verifier(t, r)
	if len(remains(t, r, mac)) == 0 || len(remains(t, r, salt)) == 0 {
		t.Fatal("the verifier is in no file: this test looks in the wrong place")
	}
	t.Run("not with a wrong old one", func(t *testing.T) {
		says(t, passwd(r, ada, "not her password", nextPass, nextPass), false, "")
		lets(t, ways(r, ada, adaPass)["su"], ada)
	})
	t.Run("not to a weak one, and says the server's reason", func(t *testing.T) {
		says(t, passwd(r, ada, adaPass, "short", "short", ""), false, "That password is too short: at least 8 characters.")
		says(t, passwd(r, ada, adaPass, adaPass, adaPass, ""), false, "That password is the old one.")
		says(t, passwd(r, ada, adaPass, "Welcome2026!", "Welcome2026!", ""), false, "That password is on the list of common ones.")
		says(t, passwd(r, ada, adaPass, "short", "short", "shorter", "short", "short", "short"), false, "Nothing was changed. Choose another password.")
		lets(t, ways(r, ada, adaPass)["su"], ada)
	})
	t.Run("not when the two are different", func(t *testing.T) {
		says(t, passwd(r, ada, adaPass, nextPass, "another", ""), false, "not the same")
		lets(t, ways(r, ada, adaPass)["su"], ada)
	})
	t.Run("with the right old one, and another new one behind a weak one", func(t *testing.T) {
		says(t, passwd(r, ada, adaPass, "short", "short", nextPass, nextPass), true, "password updated successfully")
	})
	t.Run("then the old one is dead, and the new one works", func(t *testing.T) {
		keepsOut(t, ways(r, ada, adaPass)["su"])
		lets(t, ways(r, ada, nextPass)["su"], ada)
	})
	t.Run("nothing of the old verifier is left in any file", func(t *testing.T) {
		for what, b := range map[string][]byte{"salt": salt, "mac": mac} {
			if in := remains(t, r, b); len(in) > 0 {
				t.Errorf("the %s is still in %q", what, in)
			}
		}
	})
	t.Run("offline", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		keepsOut(t, ways(r, ada, adaPass)["su"])
		lets(t, ways(r, ada, nextPass)["su"], ada)
		t.Run("passwd says that it cannot, before it asks", func(t *testing.T) {
			says(t, passwd(r, ada), false, "The password cannot be changed without the server.")
		})
	})
}

func TestPasswordsOfLocalAccountsChangeAsBefore(t *testing.T) {
	for name, bring := range states() {
		if name != "all is well" && name != "daemon not running" && name != "package taken out" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			bring(t, r)
			says(t, passwd(r, local, localPass, "Some thing quite else 7", "Some thing quite else 7"), true, "password updated successfully")
			keepsOut(t, ways(r, local, localPass)["login"])
			lets(t, ways(r, local, "Some thing quite else 7")["login"], local)
			script(t, r, "printf '%s:%s\\n' "+local+" '"+localPass+"' | chpasswd")
			lets(t, ways(r, local, localPass)["login"], local)
		})
	}
}
